"""Folders of images: which files are images, and which are left out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vip_core.errors import ImageError

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"),
    *(".dcm", ".dicom", ".dic", ".dc3", ".ima"),
)
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "dicomdir")  # of Windows, and a CD's own index


@dataclass(frozen=True)
class FolderContents:
    """Files below a folder, each sorted by path. left_out: files that are no images, and folders without access."""

    images: list[Path]
    left_out: list[Path]


def find_images(folder: str | Path) -> list[Path]:
    """All images below a folder, sorted. Raises ImageError where it is not a folder."""
    return search_folder(folder).images


def search_folder(folder: str | Path) -> FolderContents:
    """All files below a folder; links are followed. Hidden and system files and folders are skipped without mention.

    Raises ImageError where it is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder.name or 'the path given'} is not a folder; give a folder of images.")
    images: list[Path] = []
    left_out: list[Path] = []
    visited: set[str] = set()
    closed = lambda error: left_out.append(Path(error.filename or folder))  # noqa: E731
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=closed):
        if (real := os.path.realpath(parent)) in visited:  # a link that leads back up
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [name for name in folders if not is_hidden(name)]
        for path in (Path(parent, name) for name in files if not is_hidden(name)):
            (images if is_image(path) else left_out).append(path)
    return FolderContents(sorted(images), sorted(left_out))


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or the operating system's own."""
    return name.startswith((".", "__MACOSX")) or name.lower() in SYSTEM_FILES


def is_image(path: Path) -> bool:
    """Whether a file is an image by its ending, or a DICOM file by its mark: patient CDs use names without endings."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path.is_file()
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or start[:4] == b"DICM"


def describe_left_out(left_out: Sequence[Path], shown: int = 3) -> str:
    """A sentence that counts the files left out and names the first; empty where there are none."""
    if not left_out:
        return ""
    names = ", ".join(path.name for path in left_out[:shown]) + (", …" if len(left_out) > shown else "")
    if len(left_out) == 1:
        return f"1 file is left out because it is not an image: {names}."
    return f"{len(left_out):,} files are left out because they are not images: {names}."
