"""Facts about the image reader as a whole: limits, damage, other kinds of files, threads."""

import random
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from PIL.ImageFile import ImageFile
from pydicom import uid
from pydicom.encaps import encapsulate

from tests.data.image_files import (
    DEEP_RAMP,
    DISPLAY_P3,
    GREY,
    NOISE,
    PATIENT,
    RAMP,
    dicom,
    encoded,
    exif,
    icc_profile,
    lut,
    pixels_of,
    png,
    refusal,
    tiff,
    tones_of,
)
from vip_core.data import tiff as tiff_pages
from vip_core.data.images import read_image
from vip_core.errors import ImageError


def test_read_image_refuses_paths_that_lead_to_no_file(tmp_path):
    refusal(tmp_path / "none.png", "not found")
    refusal(tmp_path, "folder")
    refusal(tmp_path / ("x" * 300), "cannot be opened")
    with pytest.raises(ImageError, match="not found"):
        read_image("a\0b.png")
    (tmp_path / "empty.png").touch()
    refusal(tmp_path / "empty.png", "empty")


@pytest.mark.parametrize("data", [b"only text " * 50, b"%PDF-1.7\n" * 9, b"8BPS" + bytes(99), b"RIFF\0\0\0\0WAVE" * 9])
def test_read_image_refuses_other_kinds_whatever_their_ending(tmp_path, data):
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    refusal(path, "is not a PNG, JPEG, WebP, TIFF, BMP, HEIC or DICOM file")
    path.write_bytes(encoded(NOISE, "GIF"))
    refusal(path, "is not a PNG")


def test_read_image_checks_limits_before_anything_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    path.write_bytes(png(np.zeros((1, 1)), 2, size=(30000, 30000)))
    monkeypatch.setattr(ImageFile, "load", lambda image: pytest.fail("decoded"))
    for limit in (178_956_970 // 2, None, 10):  # Pillow's own limit is neither needed nor in the way
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refusal(path, "30,000 x 30,000 pixels", "64,000,000")
    path.write_bytes(png(np.zeros((1, 1)), 2, size=(10000, 10000)))  # where Pillow only warns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refusal(path, "10,000 x 10,000")
    monkeypatch.undo()
    path.write_bytes(encoded(NOISE, "PNG"))
    np.testing.assert_array_equal(pixels_of(path, max_pixels=600), NOISE)
    refusal(path, "30 x 20 pixels", "599", max_pixels=599)
    refusal(Image.fromarray(NOISE), "30 x 20 pixels", "599", max_pixels=599)
    size = path.stat().st_size
    np.testing.assert_array_equal(pixels_of(path, max_bytes=size), NOISE)
    refusal(path, "the limit is 0.0 MB", max_bytes=size - 1)
    refusal(Image.new("L", (7, 100)), "7 x 100", "at least 8")


def test_read_image_refuses_files_of_several_pages_with_their_number(tmp_path, monkeypatch):
    path, pictures = tmp_path / "pages", [Image.fromarray(NOISE + i) for i in range(3)]
    for kind in ("TIFF", "WEBP", "PNG"):
        path.write_bytes(encoded(pictures[0], kind, save_all=True, append_images=pictures[1:]))
        refusal(path, "3 pages")
    path.write_bytes(encoded(pictures[0], "TIFF", save_all=True))
    np.testing.assert_array_equal(pixels_of(path), NOISE)
    path.write_bytes(tiff(RAMP[..., None], 1, pages=20_000))
    read = []
    monkeypatch.setattr(
        tiff_pages, "_directory", lambda *place, one=tiff_pages._directory: read.append(1) or one(*place)
    )
    refusal(path, "1000 or more pages")
    assert len(read) == 1000


SAMPLES = {
    "jpeg": encoded(NOISE, "JPEG", exif=exif(6)),
    "progressive": encoded(NOISE, "JPEG", progressive=True),
    "png": encoded(NOISE, "PNG"),
    "webp": encoded(NOISE, "WEBP"),
    "lossless.webp": encoded(NOISE, "WEBP", lossless=True),
    "tiff": encoded(NOISE, "TIFF", exif=exif(6)),
    "zip.tiff": encoded(NOISE, "TIFF", compression="tiff_adobe_deflate"),
    "float.tiff": tiff(GREY.astype("<f4")[..., None], 1),
    "bmp": encoded(NOISE, "BMP"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLES)
def test_read_image_of_a_file_cut_short_is_refused_or_whole_never_half(tmp_path, name):
    data, path = SAMPLES[name], tmp_path / name
    path.write_bytes(data)
    whole = pixels_of(path)
    for length in {*range(1, len(data), 1 + len(data) // 200), *range(len(data) - 30, len(data))}:
        path.write_bytes(data[:length])
        try:
            np.testing.assert_array_equal(pixels_of(path), whole)
        except ImageError:
            continue


def test_read_image_refuses_a_png_whose_second_half_was_never_written(tmp_path):
    data, path = SAMPLES["png"], tmp_path / "picture.png"
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    refusal(path, "damaged")


@pytest.mark.filterwarnings("ignore")
def test_read_image_of_damaged_files_raises_image_errors_and_nothing_else(tmp_path):
    samples = dict(SAMPLES)
    for name, syntax in (("i.dcm", uid.ImplicitVRLittleEndian), ("e.dcm", uid.ExplicitVRLittleEndian)):
        header = {"WindowCenter": 9, "WindowWidth": 5, "VOILUTSequence": lut(range(256), 0, 16), "PixelPaddingValue": 0}
        samples[name] = dicom(tmp_path / name, RAMP, syntax, **header).read_bytes()
    samples["j.dcm"] = dicom(tmp_path / "j", NOISE, uid.JPEGBaseline8Bit, encapsulate([SAMPLES["jpeg"]])).read_bytes()
    chance, read, refused = random.Random(0), 0, 0
    for name in list(samples) * 60:
        data = bytearray(samples[name])
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(min(len(data), 1000))] = chance.choice((0, 255, chance.randrange(256)))
        path = tmp_path / name
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(1, len(data))))])
        try:
            pixels_of(path)
            read += 1
        except ImageError as error:
            assert str(error).count("\n") == 0 and str(tmp_path) not in str(error) and PATIENT not in str(error)
            refused += 1
    assert read > 50 and refused > 50


@pytest.mark.filterwarnings("ignore")
def test_read_image_in_threads_is_the_same_as_in_one(tmp_path):
    paths = [dicom(tmp_path / f"{i}.dcm", DEEP_RAMP, data=DEEP_RAMP.tobytes() + bytes(64)) for i in range(4)]
    (tmp_path / "a.png").write_bytes(encoded(DEEP_RAMP, "PNG"))
    with ThreadPoolExecutor(8) as pool:
        for tones in pool.map(tones_of, [*paths, tmp_path / "a.png"] * 20):
            np.testing.assert_array_equal(tones, RAMP)


def test_read_image_takes_bytes_open_files_and_arrays(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(NOISE, "PNG"))
    with path.open("rb") as file:
        for source in (path.read_bytes(), file, NOISE, Image.fromarray(NOISE), str(path)):
            np.testing.assert_array_equal(pixels_of(source), NOISE)
    np.testing.assert_array_equal(tones_of(DEEP_RAMP), RAMP)
    np.testing.assert_array_equal(tones_of(DEEP_RAMP.astype(np.float32)), RAMP)
    refusal(np.zeros((8, 8, 8, 8)), "the image is an array of shape (8, 8, 8, 8)", "8-bit RGB")
    refusal(b"", "the image is empty")
    refusal(b"text", "the image is not a PNG")
    with path.open("rb") as file:
        refusal(file, "the limit is", max_bytes=100)


def test_read_image_of_its_own_result_changes_nothing():
    picture = Image.fromarray(NOISE)
    picture.info = {"icc_profile": icc_profile(DISPLAY_P3), "exif": exif(6).tobytes()}
    once = read_image(picture)
    np.testing.assert_array_equal(pixels_of(once), np.asarray(once))
    assert once.size == (20, 30) and not np.array_equal(np.asarray(once), np.rot90(NOISE, -1))
