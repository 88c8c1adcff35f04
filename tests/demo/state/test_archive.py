"""Uploads of many images: what is read, what is left out, and what is refused; nothing is written anywhere."""

import random
import stat
import struct
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from demo.state.archive import MAX_ENTRIES, MAX_IMAGES, open_upload, shown_name
from demo.state.decode import DECODER
from vip_core.data.images import read_image
from vip_core.data.pixels import MAX_BYTES
from vip_core.errors import DataError, ImageError

LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"


def picture(seed: int = 0, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 20, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def dicom() -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 12, 10, 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = np.arange(120, dtype=np.uint16).tobytes()
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def packed(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def edit(path: Path, mark: bytes, offset: int, value: bytes) -> None:
    """Write `value` at an offset of each header that begins with `mark`."""
    data, at = bytearray(path.read_bytes()), -1
    while (at := data.find(mark, at + 1)) >= 0:
        data[at + offset : at + offset + len(value)] = value
    path.write_bytes(data)


def upload(*paths: Path) -> list[tuple[Path, str]]:
    return [(path, path.name) for path in paths]


def refusal(*paths: Path) -> str:
    with pytest.raises(DataError) as refused, open_upload(upload(*paths)):
        pass
    sentence = str(refused.value)
    assert str(paths[0].parent) not in sentence and sentence.endswith(".")
    return sentence


def error_of(entry) -> str:
    with pytest.raises(ImageError) as error:
        entry.read()
    return str(error.value)


def test_images_of_a_zip_are_those_of_the_files_it_was_made_of(tmp_path):
    files = {"a.png": picture(1), "deep/er/b.JPG": picture(2, "JPEG"), "c.tif": picture(3, "TIFF"), "IM0001": dicom()}
    archive = packed(tmp_path / "x.zip", files)
    with open_upload(upload(archive)) as (entries, notes):
        assert [entry.name for entry in entries] == ["a.png", "b.JPG", "c.tif", "IM0001"] and notes == []
        for entry, (name, data) in zip(entries, files.items(), strict=True):
            (tmp_path / Path(name).name).write_bytes(data)
            assert entry.read().tobytes() == read_image(tmp_path / Path(name).name).tobytes()


def test_images_and_zip_files_may_come_together_in_their_order(tmp_path):
    (tmp_path / "first.png").write_bytes(picture(1))
    (tmp_path / "last.png").write_bytes(picture(2))
    archive = packed(tmp_path / "no ending", {"middle.png": picture(3)})
    with open_upload(upload(tmp_path / "first.png", archive, tmp_path / "last.png")) as (entries, _):
        assert [entry.name for entry in entries] == ["first.png", "middle.png", "last.png"]
        assert all(entry.read().size == (20, 24) for entry in entries)


def test_what_points_out_of_a_zip_is_left_out_and_counted(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../up.png", "a/../../up.png", "/etc/up.png", "C:\\up.png", "a\\..\\up.png", "good.png"):
            archive.writestr(name, picture())
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with open_upload(upload(path)) as (entries, notes):
        assert [entry.name for entry in entries] == ["good.png"]
        assert notes == ["6 entries of the ZIP were left out: links, or paths outside it."]


def test_other_and_hidden_files_are_left_out_and_counted(tmp_path):
    others = {"notes.txt": b"x", "__MACOSX/._a.png": b"x", ".hidden.png": b"x", "inner.zip": b"PK\3\4", "folder/": b""}
    path = packed(tmp_path / "x.zip", {"a.png": picture(), **others})
    with open_upload(upload(path)) as (entries, notes):
        assert len(entries) == 1 and notes == ["4 other files in the ZIP were left out."]
    assert "contains no image" in refusal(packed(tmp_path / "y.zip", others))


def test_a_file_that_cannot_be_read_has_its_error_and_the_rest_go_on(tmp_path):
    files = {"a.png": picture(1), "empty.png": b"", "text.png": b"no picture", "half.png": picture(2)[:300]}
    with open_upload(upload(packed(tmp_path / "x.zip", files))) as (entries, _):
        assert entries[0].read().size == (20, 24)
        assert "empty.png is empty" in error_of(entries[1])
        assert "text.png is not a PNG" in error_of(entries[2])
        assert "half.png is damaged" in error_of(entries[3])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_a_bound_are_not_unpacked(tmp_path, method):
    with open_upload(upload(packed(tmp_path / "x.zip", {"a.png": picture()}, method))) as (entries, _):
        assert "uses an unusual compression" in error_of(entries[0])


def test_an_encrypted_zip_is_refused(tmp_path):
    path = packed(tmp_path / "x.zip", {"a.png": picture()})
    edit(path, LOCAL, 6, b"\1\0")
    edit(path, CENTRAL, 8, b"\1\0")
    assert "x.zip is protected by a password" in refusal(path)


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"no zip", picture(), b"\0" * 1000])
def test_what_is_no_zip_is_refused(tmp_path, data):
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert "x.zip is not a ZIP file, or is damaged" in refusal(path)


def test_a_zip_cut_short_is_refused(tmp_path):
    path = packed(tmp_path / "x.zip", {f"{i}.png": picture(i) for i in range(5)})
    path.write_bytes(path.read_bytes()[:-60])
    assert "not a ZIP file, or is damaged" in refusal(path)


def test_bombs_are_refused_before_anything_is_unpacked(tmp_path):
    assert "over 100 times its size" in refusal(packed(tmp_path / "a.zip", {"a.bmp": b"BM" + bytes(40 * 2**20)}))
    path = packed(tmp_path / "b.zip", {"a.png": picture(), "b.png": picture()})
    edit(path, CENTRAL, 24, struct.pack("<L", 2**31))
    assert "b.zip unpacks to 4,096 MB; the limit is 1,024 MB" in refusal(path)
    empty = {f"{i}.txt": b"" for i in range(MAX_ENTRIES + 1)}
    assert "c.zip lists 10,001 files; the limit is 10,000" in refusal(packed(tmp_path / "c.zip", empty))
    long = {f"{i:0200d}": b"" for i in range(12_000)}  # a list of files that is not even read
    assert "lists more than 10,000 files" in refusal(packed(tmp_path / "d.zip", long))


def test_no_member_unpacks_to_more_than_it_declares(tmp_path):
    path = packed(tmp_path / "x.zip", {"liar.bmp": b"BM" + bytes(64 * 2**20)})
    edit(path, CENTRAL, 24, struct.pack("<L", 100))
    with open_upload(upload(path)) as (entries, _):
        tracemalloc.start()
        assert "liar.bmp is damaged inside the ZIP file" in error_of(entries[0])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 2**20


def test_an_image_over_the_limit_has_its_error_unread(tmp_path):
    path = tmp_path / "x.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with open_upload(upload(path)) as (entries, _):
        assert "x.png is 64.1 MB; the limit is 64.0 MB" in error_of(entries[0])


def test_too_many_images_are_refused(tmp_path):
    files = {f"{i}.png": b"x" for i in range(MAX_IMAGES)}
    with open_upload(upload(packed(tmp_path / "x.zip", files))) as (entries, _):
        assert len(entries) == MAX_IMAGES
    (tmp_path / "one.png").write_bytes(picture())
    assert "contains 501 images; the limit is 500" in refusal(tmp_path / "one.png", tmp_path / "x.zip")


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    path = packed(tmp_path / "x.zip", {"a/a.png": picture(), "../b.png": picture(), "c": dicom()})
    with open_upload(upload(path)) as (entries, _):
        assert all(entry.read() for entry in entries)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "tmp", path]


def test_damage_anywhere_in_a_zip_is_an_error_of_ours(tmp_path):
    whole = packed(tmp_path / "x.zip", {"a/a.png": picture(1), "b.jpg": picture(2, "JPEG"), "c": dicom()}).read_bytes()
    rng, path = random.Random(0), tmp_path / "y.zip"
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        headers = [len(whole) - rng.randrange(1, 250), rng.randrange(60), rng.randrange(len(whole))]
        for at in rng.sample(headers, rng.randint(1, 3)):
            data[at] = rng.randrange(256)
        path.write_bytes(data)
        try:
            with open_upload(upload(path)) as (entries, _):
                for entry in entries:
                    try:
                        entry.read()
                    except ImageError:
                        refused += 1
        except DataError:
            refused += 1
    assert refused > 100


def test_names_are_shown_without_folders_and_tricks():
    assert shown_name("a/b\\c.png") == "c.png"
    assert shown_name("..") == ".." and shown_name("a/") == "a"
    assert shown_name("gpj.\u202eexe\0\n\ud800") == "gpj.exe"
    assert shown_name("\n/") == "a file without a name"
    assert len(shown_name("x" * 500)) == 120


def test_bytes_are_read_as_files_are(tmp_path):
    for name, data in {"a.webp": picture(1, "WEBP"), "b.bmp": picture(2, "BMP"), "c.dcm": dicom()}.items():
        (tmp_path / name).write_bytes(data)
        assert DECODER.read_bytes(data, name).tobytes() == read_image(tmp_path / name).tobytes()


def test_open_upload_refuses_one_picture_under_many_names(tmp_path):
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for i in range(500):
            archive.writestr(f"{i:03d}.png", picture() if i == 0 else b"")
        for member in archive.infolist():
            first = archive.infolist()[0]
            member.header_offset, member.file_size = first.header_offset, first.file_size
            member.compress_size, member.CRC = first.compress_size, first.CRC
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="several names"), open_upload([(tmp_path / "x.zip", "x.zip")]):
        pass
