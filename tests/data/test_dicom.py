"""DICOM files come out as the standard says, and as DCMTK shows them where the standard leaves a choice."""

import subprocess
import sys

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing, convert_color_space

from tests.data.image_files import (
    DEEP_RAMP,
    NOISE,
    RAMP,
    dicom,
    encoded,
    lut,
    pixels_of,
    refusal,
    tones_of,
)


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("shift", [0, -3000])
def test_read_dicom_without_a_window_scales_by_the_range(tmp_path, syntax, shift):
    stored = DEEP_RAMP.astype(np.int16) + shift if shift else DEEP_RAMP
    np.testing.assert_array_equal(tones_of(dicom(tmp_path / "a.dcm", stored, syntax)), RAMP)
    np.testing.assert_array_equal(tones_of(dicom(tmp_path / "b.dcm", RAMP, syntax)), RAMP)


def test_read_dicom_of_signed_values_in_fewer_bits_than_allocated(tmp_path):
    stored = (DEEP_RAMP.astype(np.int16) - 2140) & 0x0FFF  # the sign bit is bit 11, the upper four are empty
    path = dicom(tmp_path / "a.dcm", stored.astype(np.int16), BitsStored=12)
    np.testing.assert_array_equal(tones_of(path), RAMP)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2, -1024), (-1, 4095)])
def test_read_dicom_applies_the_first_window_as_the_standard_says(tmp_path, function, slope, intercept):
    header = {"WindowCenter": [1500, 40], "WindowWidth": [1200, 400], "VOILUTFunction": function, "BitsStored": 13}
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP, RescaleSlope=slope, RescaleIntercept=intercept, **header)
    values, center, width = DEEP_RAMP * float(slope) + intercept, 1500.0, 1200.0
    if function == "LINEAR":  # PS3.3 C.11.2.1.2.1
        fractions = ((values - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1)
    elif function == "LINEAR_EXACT":  # C.11.2.1.3.2
        fractions = ((values - center) / width + 0.5).clip(0, 1)
    else:  # C.11.2.1.3.1
        fractions = 1 / (1 + np.exp(-4 * (values - center) / width))
    np.testing.assert_allclose(tones_of(path), fractions * 255, atol=0.51)

    dataset = pydicom.dcmread(path)
    ends = np.array([0, 2**13 - 1]) * float(slope) + intercept  # the range of pydicom's own answer
    theirs = apply_windowing(apply_modality_lut(DEEP_RAMP, dataset), dataset)
    np.testing.assert_allclose(tones_of(path), (theirs - ends[0]) / (ends[1] - ends[0]) * 255, atol=0.51)


def test_read_dicom_takes_a_window_of_width_one_as_a_threshold_and_ignores_width_zero(tmp_path):
    path = dicom(tmp_path / "a.dcm", RAMP, WindowCenter=100, WindowWidth=1)
    np.testing.assert_array_equal(tones_of(path), np.where(RAMP >= 100, 255, 0))
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP, WindowCenter=100, WindowWidth=0)
    np.testing.assert_array_equal(tones_of(path), RAMP)


def test_read_dicom_of_monochrome1_is_monochrome2_inverted(tmp_path):
    for header in ({}, {"WindowCenter": 1500, "WindowWidth": 700}):
        white = dicom(tmp_path / "1.dcm", DEEP_RAMP, PhotometricInterpretation="MONOCHROME1", **header)
        black = dicom(tmp_path / "2.dcm", DEEP_RAMP, PhotometricInterpretation="MONOCHROME2", **header)
        np.testing.assert_array_equal(tones_of(white), 255 - tones_of(black))


def test_read_dicom_leaves_the_padding_value_out_of_the_range(tmp_path):
    stored = DEEP_RAMP.astype(np.int16)
    stored[0, :3] = (-2000, -1990, -2000)  # 3 of the 256 tones
    path = dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990)
    first = RAMP[0, 3]
    expected = np.rint((RAMP.astype(float) - first).clip(0) / (255 - first) * 255)
    np.testing.assert_array_equal(tones_of(path), expected)
    assert tones_of(dicom(tmp_path / "b.dcm", stored, PixelPaddingValue=-2000))[0, 1] == 0
    assert tones_of(dicom(tmp_path / "b.dcm", stored, PixelPaddingValue=-2000))[0, 3] > 80


def test_read_dicom_prefers_lookup_tables_to_window_and_range(tmp_path):
    table = (np.sqrt(np.arange(256)) * 256).astype(np.uint16)
    expected = np.rint((table / table.max())[RAMP] * 255)
    shown = {"WindowCenter": 10, "WindowWidth": 5}
    path = dicom(tmp_path / "voi.dcm", RAMP, VOILUTSequence=lut(table, 0, 16), **shown)
    np.testing.assert_array_equal(tones_of(path), expected)
    np.testing.assert_array_equal(apply_voi(RAMP, pydicom.dcmread(path)), table[RAMP])
    path = dicom(tmp_path / "modality.dcm", RAMP, ModalityLUTSequence=lut(table, 0, 16))
    np.testing.assert_array_equal(tones_of(path), expected)
    long_table = np.arange(4096) // 16  # 8-bit entries for 12-bit values
    path = dicom(tmp_path / "long.dcm", DEEP_RAMP - 100, VOILUTSequence=lut(long_table, 0, 8))
    np.testing.assert_array_equal(tones_of(path), RAMP)


def test_read_dicom_of_colour_is_rgb(tmp_path):
    path, ybr = tmp_path / "a.dcm", convert_color_space(NOISE, "RGB", "YBR_FULL")
    np.testing.assert_array_equal(pixels_of(dicom(path, NOISE)), NOISE)
    planes = np.ascontiguousarray(NOISE.transpose(2, 0, 1)).tobytes()
    np.testing.assert_array_equal(pixels_of(dicom(path, NOISE, data=planes, PlanarConfiguration=1)), NOISE)
    dicom(path, ybr, PhotometricInterpretation="YBR_FULL")
    assert np.abs(pixels_of(path).astype(int) - NOISE).max() <= 3
    pairs = ybr.copy()
    pairs[:, 1::2, 1:] = pairs[:, ::2, 1:]  # two neighbours share their colour
    y1, y2, b, r = pairs[:, ::2, 0], pairs[:, 1::2, 0], pairs[:, ::2, 1], pairs[:, ::2, 2]
    dicom(path, ybr, data=np.stack([y1, y2, b, r], axis=-1).tobytes(), PhotometricInterpretation="YBR_FULL_422")
    np.testing.assert_array_equal(pixels_of(path), convert_color_space(pairs, "YBR_FULL", "RGB"))
    deep = np.dstack([DEEP_RAMP] * 3)
    np.testing.assert_array_equal(tones_of(dicom(path, deep)), RAMP)


@pytest.mark.parametrize("bits", [8, 16])
def test_read_dicom_of_a_palette_is_looked_up(tmp_path, bits):
    colours = NOISE.reshape(-1, 3)[:256].astype(f"<u{bits // 8}") << (bits - 8)
    header = {"PhotometricInterpretation": "PALETTE COLOR"}
    for i, channel in enumerate(("Red", "Green", "Blue")):
        header[f"{channel}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        header[f"{channel}PaletteColorLookupTableData"] = colours[:, i].tobytes()
    path = dicom(tmp_path / "a.dcm", RAMP, **header)
    np.testing.assert_array_equal(pixels_of(path), NOISE.reshape(-1, 3)[RAMP])


def test_read_dicom_of_compressed_pixel_data(tmp_path):
    flat = np.full((16, 16, 3), (200, 40, 60), np.uint8)
    jpeg = encapsulate([encoded(flat, "JPEG", quality=100, subsampling=0)])
    path = dicom(tmp_path / "a.dcm", flat, uid.JPEGBaseline8Bit, jpeg, PhotometricInterpretation="YBR_FULL_422")
    assert np.abs(pixels_of(path).astype(int) - flat).max() <= 3
    dataset = pydicom.dcmread(dicom(path, DEEP_RAMP))
    dataset.compress(uid.RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    np.testing.assert_array_equal(tones_of(path), RAMP)


def test_read_dicom_without_file_meta_where_the_ending_says_so(tmp_path):
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP)
    dataset = pydicom.dcmread(path)
    for number, (implicit, little) in enumerate([(True, True), (False, True)]):
        bare = tmp_path / f"{number}.DCM"
        plain = Dataset({tag: dataset[tag] for tag in dataset.keys()})  # noqa: SIM118
        pydicom.dcmwrite(bare, plain, implicit_vr=implicit, little_endian=little)
        np.testing.assert_array_equal(tones_of(bare), RAMP)
        refusal(bare.rename(tmp_path / "unnamed"), "not a PNG")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"NumberOfFrames": 12}, ["12 frames", "single frame"]),
        ({"PhotometricInterpretation": "HSV"}, ["photometric"]),
        ({"PhotometricInterpretation": "RGB"}, ["photometric"]),
        ({"SamplesPerPixel": 4}, ["photometric"]),
        ({"BitsAllocated": 32}, ["32 bits"]),
        ({"Rows": 30000, "Columns": 30000}, ["30,000 x 30,000", "64,000,000"]),
        ({"Rows": 0}, ["at least 8"]),
        ({"Rows": 17}, ["damaged", "Explicit VR Little Endian"]),
    ],
)
def test_read_dicom_refuses_what_it_cannot_show(tmp_path, header, words):
    refusal(dicom(tmp_path / "a.dcm", DEEP_RAMP, **header), *words)


def test_read_dicom_refuses_files_without_an_image(tmp_path):
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    refusal(path, "no DICOM pixel data")
    path.write_text("not DICOM at all " * 20)
    refusal(path)


def jpeg_lossless(values, bits):
    return imagecodecs().jpeg8_encode(values, lossless=True, bitspersample=bits)


def jpeg_ls(values, bits):
    return imagecodecs().jpegls_encode(values)


def imagecodecs():
    return pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("encode", [jpeg_lossless, jpeg_ls])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_read_dicom_of_jpeg_lossless_and_jpeg_ls(tmp_path, encode, bits):
    stored = RAMP if bits == 8 else DEEP_RAMP << (bits - 13) if bits == 16 else DEEP_RAMP - 100
    syntax = uid.JPEGLosslessSV1 if encode is jpeg_lossless else uid.JPEGLSLossless
    path = dicom(tmp_path / "a.dcm", stored, syntax, encapsulate([encode(stored, bits)]), BitsStored=bits)
    np.testing.assert_array_equal(tones_of(path), RAMP)
    signed = (stored.astype(int) - 2 ** (bits - 1)) & (2**bits - 1)  # the same tones, around zero
    frame = encode(signed.astype(stored.dtype), bits)
    header = {"BitsStored": bits, "PixelRepresentation": 1}
    np.testing.assert_array_equal(tones_of(dicom(path, stored, syntax, encapsulate([frame]), **header)), RAMP)
    refusal(dicom(path, stored[:, 1:], syntax, encapsulate([frame]), **header), "damaged")
    refusal(dicom(path, stored, syntax, encapsulate([frame[:30]]), **header), "damaged")


def test_read_dicom_of_jpeg_lossless_colour(tmp_path):
    frame = encapsulate([jpeg_lossless(NOISE, 8)])
    path = dicom(tmp_path / "a.dcm", NOISE, uid.JPEGLosslessSV1, frame)
    np.testing.assert_array_equal(pixels_of(path), NOISE)


def test_read_dicom_names_the_package_that_jpeg_lossless_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    for syntax in (uid.JPEGLosslessSV1, uid.JPEGLSLossless):
        path = dicom(tmp_path / "a.dcm", RAMP, syntax, encapsulate([b"\xff\xd8 not read \xff\xd9"]))
        refusal(path, "no decoder", "install imagecodecs", "uncompressed DICOM or PNG")


def test_read_dicom_reads_jpeg_colours_by_the_markers_of_the_stream(tmp_path):
    flat = np.full((16, 16, 3), (200, 40, 60), np.uint8)
    jpeg = encoded(flat, "JPEG", quality=100, subsampling=0)
    start = jpeg.index(b"\xff\xe0")
    bare = jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :]  # without APP0
    for photometric in ("RGB", "YBR_FULL_422"):
        for data in (jpeg, bare):
            header = {"PhotometricInterpretation": photometric}
            path = dicom(tmp_path / "a.dcm", flat, uid.JPEGBaseline8Bit, encapsulate([data]), **header)
            assert np.abs(pixels_of(path).astype(int) - flat).max() <= 3


def test_read_dicom_believes_a_header_of_rgb_where_the_jpeg_stream_says_nothing(tmp_path):
    flat = np.full((16, 16, 3), (200, 40, 60), np.uint8)
    jpeg = encoded(flat, "JPEG", quality=100, keep_rgb=True)
    start = jpeg.index(b"\xff\xee")
    bare = bytearray(jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :])
    frame, scan = bare.index(b"\xff\xc0"), bare.index(b"\xff\xda")
    for number in range(3):  # components 0, 1, 2 instead of R, G, B
        bare[frame + 10 + 3 * number] = bare[scan + 5 + 2 * number] = number
    path = dicom(tmp_path / "a.dcm", flat, uid.JPEGBaseline8Bit, encapsulate([bytes(bare)]))
    assert np.abs(pixels_of(path).astype(int) - flat).max() <= 3


def test_read_dicom_refuses_deflated_files_and_never_inflates_them(tmp_path):
    path = dicom(tmp_path / "bomb.dcm", np.zeros((4000, 4000), np.uint8), uid.DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 100_000
    refusal(path, "Deflated", "uncompressed DICOM or PNG")


def test_read_dicom_prints_nothing_about_a_nonconforming_header(tmp_path):
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP, data=DEEP_RAMP.tobytes() + bytes(64))
    for reading, silent in (("pydicom.dcmread(path).pixel_array", False), ("read_image(path)", True)):
        code = f"import pydicom; from vip_core.data.images import read_image; path = {str(path)!r}; {reading}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert (done.stderr == "") == silent, done.stderr
