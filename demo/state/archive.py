"""A visitor's upload for a cohort: images and ZIP files of images, read one at a time and in memory."""

import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from PIL.Image import Image

from vip_core.data.folders import IMAGE_SUFFIXES
from vip_core.data.pixels import check_bytes
from vip_core.errors import DataError, ImageError

from .decode import DECODER

MAX_IMAGES = 500
MAX_ENTRIES = 10_000  # of a ZIP, folders and other files counted
MAX_UNPACKED = 2**30  # bytes of all images of a ZIP together
MAX_RATIO = 100  # unpacked to packed; scans and photographs stay below 10
ALWAYS_FINE = 16 * 2**20  # unpacked bytes up to which the ratio does not matter: small drawings pack well
PIECE = 2**20  # bytes asked of a ZIP at once
DIRECTORY = 2 * 2**20  # bytes of a ZIP's own list of files; a million entries would take a gigabyte in memory
ENCRYPTED = 0x1  # a bit of a ZIP entry's flags
MAX_NAME = 120  # characters shown


@dataclass(frozen=True)
class ArchiveEntry:
    """One image to be read. name: as shown, without folders; member: its path in a ZIP file."""

    name: str
    path: Path
    archive: ZipFile | None = None
    member: ZipInfo | None = None

    def read(self) -> Image:
        """The image, as `vip_core.data.images.read_image` gives it. Raises ImageError."""
        return DECODER.read_bytes(self._bytes(), self.name)

    def _bytes(self) -> bytes:
        size = self.path.stat().st_size if self.member is None else self.member.file_size
        check_bytes(size, self.name)
        if self.archive is None or self.member is None:
            return self.path.read_bytes()
        if self.member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ImageError(f"{self.name} uses an unusual compression; pack it as an ordinary ZIP file.")
        try:
            return _unpack(self.archive, self.member)
        except Exception:  # damaged ZIP files raise zlib's errors, zipfile's, and several built-in ones
            raise ImageError(f"{self.name} is damaged inside the ZIP file; pack it again.") from None


def _unpack(archive: ZipFile, member: ZipInfo) -> bytes:
    """Never more than the size that the ZIP file declares, and therefore never more than was allowed."""
    with archive.open(member) as file:
        return b"".join(iter(lambda: file.read(PIECE), b""))


@contextmanager
def open_upload(files: Sequence[tuple[Path, str]]) -> Iterator[tuple[list[ArchiveEntry], list[str]]]:
    """The images of uploaded files, and a sentence for each kind of thing left out; ZIP files stay open meanwhile.

    files: where each lies, and what the visitor calls it.

    Raises DataError: no image, too many or too large ones, or a ZIP that is invalid, encrypted or a ZIP bomb.
    """
    entries: list[ArchiveEntry] = []
    others = outside = 0
    with ExitStack() as stack:
        for path, called in files:
            name = shown_name(called)
            if not _is_zip(path, name):
                entries.append(ArchiveEntry(name, path))
                continue
            archive = stack.enter_context(_open_zip(path, name))
            found, more_others, more_outside = _images_in(archive, path, name)
            entries += found
            others, outside = others + more_others, outside + more_outside
        if not entries:
            raise DataError(
                f"The upload contains no image; images end in {', '.join(IMAGE_SUFFIXES)}, or are DICOM files."
            )
        if len(entries) > MAX_IMAGES:
            raise DataError(
                f"The upload contains {len(entries):,} images; the limit is {MAX_IMAGES} at once. Choose fewer."
            )
        notes = []
        if others:
            notes.append(f"{_count(others, 'other file')} in the ZIP {_was(others)} left out.")
        if outside:
            notes.append(f"{_count(outside, 'entry')} of the ZIP {_was(outside)} left out: links, or paths outside it.")
        yield entries, notes


def shown_name(called: str) -> str:
    """A file's own name, without folders, control characters and what would turn the direction of writing."""
    base = called.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    name = "".join(char for char in base if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")).strip()
    return f"{name[: MAX_NAME - 1]}…" if len(name) > MAX_NAME else name or "a file without a name"


def _count(number: int, thing: str) -> str:
    if number != 1:
        thing = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {thing}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _is_zip(path: Path, name: str) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6") or name.lower().endswith(".zip")


class _Guarded(FileIO):
    """A ZIP that refuses large reads: `ZipFile` would read a list of a million files before they can be counted."""

    def read(self, size: int = -1) -> bytes:
        """At most DIRECTORY bytes. Raises DataError where more are asked for and there."""
        data = super().read(DIRECTORY + 1 if size < 0 else min(size, DIRECTORY + 1))
        if len(data) > DIRECTORY:
            raise DataError(f"The ZIP lists more than {MAX_ENTRIES:,} files; pack only the images.")
        return data


@contextmanager
def _open_zip(path: Path, name: str) -> Iterator[ZipFile]:
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(ZipFile(stack.enter_context(_Guarded(path))))
        except DataError:
            raise
        except Exception:  # see ArchiveEntry._bytes
            raise DataError(f"{name} is not a ZIP file, or is damaged; pack the images again.") from None
        yield archive


def _images_in(archive: ZipFile, path: Path, name: str) -> tuple[list[ArchiveEntry], int, int]:
    """The images of a ZIP, the number of other files, and the number of links and of paths outside it."""
    members = archive.infolist()
    if len(members) > MAX_ENTRIES:
        raise DataError(f"{name} lists {len(members):,} files; the limit is {MAX_ENTRIES:,}. Pack fewer.")
    starts = {member.header_offset for member in members}
    if len(starts) < len(members):  # one picture under many names would be decoded as often
        raise DataError(f"{name} lists one file under several names; pack it again.")
    entries, others, outside = [], 0, 0
    for member in members:
        if member.is_dir():
            continue
        if _points_out(member):
            outside += 1
        elif _is_image(archive, member):
            entries.append(ArchiveEntry(shown_name(member.filename), path, archive, member))
        else:
            others += 1
    chosen = [entry.member for entry in entries if entry.member is not None]
    if any(member.flag_bits & ENCRYPTED for member in chosen):
        raise DataError(f"{name} is protected by a password; pack it without one.")
    unpacked, packed = sum(member.file_size for member in chosen), sum(member.compress_size for member in chosen)
    if unpacked > MAX_UNPACKED:
        raise DataError(
            f"{name} unpacks to {unpacked / 2**20:,.0f} MB; the limit is "
            f"{MAX_UNPACKED // 2**20:,} MB. Pack fewer images."
        )
    if unpacked > max(ALWAYS_FINE, MAX_RATIO * packed):
        raise DataError(
            f"{name} unpacks to over {MAX_RATIO} times its size, which images never do; pack only the images."
        )
    return entries, others, outside


def _points_out(member: ZipInfo) -> bool:
    """Whether it is a link, or its path is absolute or has "..": nothing is written, but no honest ZIP has these."""
    name = member.orig_filename.replace("\\", "/")
    absolute = name.startswith("/") or name[1:2] == ":"
    return absolute or ".." in PurePosixPath(name).parts or stat.S_ISLNK(member.external_attr >> 16)


def _is_image(archive: ZipFile, member: ZipInfo) -> bool:
    """By its extension, or a DICOM file by its prefix, since scanners omit the extension. Hidden files are excluded."""
    parts = PurePosixPath(member.filename).parts
    if any(part.startswith((".", "__MACOSX")) for part in parts):
        return False
    if member.filename.lower().endswith(IMAGE_SUFFIXES):
        return True
    if member.flag_bits & ENCRYPTED or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return False
    try:
        with archive.open(member) as file:
            return file.read(132)[128:] == b"DICM"
    except Exception:  # see ArchiveEntry._bytes
        return False
