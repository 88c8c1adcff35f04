"""Facts about the image reader, on real files of every kind that are written here."""

import random
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing, convert_color_space

from vip_core.data.images import find_images, read_image
from vip_core.errors import ImageError

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = NOISE[..., 0]
RAMP = np.linspace(0, 255, 256).astype(np.uint8).reshape(16, 16)  # each tone once
DEEP_RAMP = RAMP.astype(np.uint16) * 16 + 100  # 12 bits: convert("RGB") would turn most of it white
PATIENT = "Roe^Jane"


def pixels_of(source, **limits):
    image = read_image(source, **limits)
    assert image.mode == "RGB"
    return np.asarray(image)


def tones_of(source):
    pixels = pixels_of(source)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def refusal(source, *words, **limits):
    """The sentence of the ImageError, in which all the words must stand."""
    with pytest.raises(ImageError) as caught:
        read_image(source, **limits)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and PATIENT not in sentence
    assert not hasattr(source, "parent") or (source.name in sentence and str(source.parent) not in sentence)
    for word in words:
        assert word in sentence
    return sentence


def encoded(image, kind, **options):
    buffer = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def png(array, colour_type, *chunks, size=None):
    """A 16-bit PNG of an array (H, W, C); Pillow writes only grey ones."""
    height, width = size or array.shape[:2]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(array, photometric, planes=1, pages=1):
    """An uncompressed TIFF of an array (H, W, C) of any number type and byte order."""
    order = ">" if array.dtype.byteorder == ">" else "<"
    height, width, samples = array.shape
    form = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    data = (array.transpose(2, 0, 1) if planes == 2 else array).tobytes()
    bits = struct.pack(f"{order}{samples}H", *[array.dtype.itemsize * 8] * samples)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(bits) + len(data))
    out = bytearray(start + bits + data)
    few = int.from_bytes(bits.ljust(4, b"\0"), "little" if order == "<" else "big")  # up to 4 bytes stand in the tag
    tags = [(256, width), (257, height), (258, 8 if samples > 2 else few), (259, 1), (262, photometric)]
    tags += [(273, 8 + len(bits)), (277, samples), (278, height), (279, len(data)), (284, planes), (339, form)]
    for page in range(pages):
        out += struct.pack(f"{order}H", len(tags))
        for tag, value in tags:
            out += struct.pack(f"{order}HHII", tag, 3 if tag == 258 else 4, samples if tag == 258 else 1, value)
        out += struct.pack(f"{order}I", len(out) + 4 if page < pages - 1 else 0)
    return out


def dicom(path, stored, syntax=uid.ExplicitVRLittleEndian, data=None, **attributes):
    """Writes stored values (H, W) or (H, W, 3) as a DICOM file; attributes override the header."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.PatientName = dataset.PatientID = PATIENT
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = stored.itemsize * 8
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    dataset.PixelData = data or stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


def lut(table, first, bits):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(table), first, bits], np.asarray(table, "<u2").tobytes()
    return [item]


LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_files_come_out_as_they_went_in_whatever_their_ending(tmp_path, kind, options):
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(NOISE, kind, **options))
    np.testing.assert_array_equal(pixels_of(path), NOISE)
    np.testing.assert_array_equal(pixels_of(str(path)), NOISE)


def test_jpeg_and_adobe_cmyk_jpeg_keep_their_colours(tmp_path):
    patches = np.zeros((32, 64, 3), np.uint8)
    patches[:, :32], patches[:, 32:] = (200, 40, 60), (20, 120, 220)
    path = tmp_path / "picture.jpeg"
    for picture in (Image.fromarray(patches), Image.fromarray(patches).convert("CMYK")):
        data = encoded(picture, "JPEG", quality=100, subsampling=0)
        assert (b"Adobe" in data) == (picture.mode == "CMYK")
        path.write_bytes(data)
        assert np.abs(pixels_of(path).astype(int) - patches).max() <= 3


def test_a_phone_picture_with_a_preview_is_the_picture(tmp_path):
    path, preview = tmp_path / "a.jpg", Image.new("RGB", (10, 10))
    path.write_bytes(encoded(NOISE, "MPO", save_all=True, append_images=[preview], quality=95))
    with Image.open(path) as both:
        assert both.n_frames == 2
        np.testing.assert_array_equal(pixels_of(path), np.asarray(both))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "YCbCr", "CMYK", "HSV"])
def test_modes_without_alpha_are_what_pillow_makes_of_them(mode):
    picture = Image.fromarray(NOISE).convert(mode)
    before = picture.copy()
    np.testing.assert_array_equal(pixels_of(picture), np.asarray(picture.convert("RGB")))
    assert picture == before


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "PNG", "16-bit PNG", "16-bit RGB PNG"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_an_orientation_tag_equals_turning_the_pixels(tmp_path, kind, orientation):
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE}[orientation]
    plain, tagged = tmp_path / "plain", tmp_path / "tagged"
    if kind == "16-bit RGB PNG":
        deep = NOISE.astype(np.uint16) * 3
        plain.write_bytes(png(deep, 2))
        tagged.write_bytes(png(deep, 2, (b"eXIf", exif(orientation).tobytes()[6:])))
    else:
        picture = Image.fromarray(GREY.astype(np.uint16) if kind == "16-bit PNG" else NOISE)
        plain.write_bytes(encoded(picture, kind.split()[-1]))
        tagged.write_bytes(encoded(picture, kind.split()[-1], exif=exif(orientation)))
    upright = Image.fromarray(pixels_of(plain)).transpose(turn)
    np.testing.assert_array_equal(pixels_of(tagged), np.asarray(upright))


def framed():
    """RGBA: a frame of tone (90, 80, 70) around (200, 10, 10), with a transparent margin; one pixel at half."""
    picture = np.zeros((20, 24, 4), np.uint8)
    picture[3:17, 4:20] = (90, 80, 70, 255)
    picture[5:15, 6:18] = (200, 10, 10, 255)
    picture[10, 10, 3] = 128
    return picture


def test_transparent_pixels_take_the_edge_tone_and_half_transparent_ones_mix(tmp_path):
    path = tmp_path / "cut-out.png"
    path.write_bytes(encoded(framed(), "PNG"))
    pixels = pixels_of(path)
    assert (pixels[framed()[..., 3] == 0] == (90, 80, 70)).all()
    assert (pixels[3:17, 4:6] == (90, 80, 70)).all() and (pixels[6, 8] == (200, 10, 10)).all()
    mixed = (np.array((200, 10, 10)) * 128 + np.array((90, 80, 70)) * 127) / 255
    np.testing.assert_allclose(pixels[10, 10], mixed, atol=1)
    np.testing.assert_array_equal(pixels_of(Image.fromarray(framed())), pixels)


def test_alpha_that_hides_nothing_is_dropped_and_alpha_that_hides_all_is_refused():
    opaque = np.dstack([NOISE, np.full(GREY.shape, 255, np.uint8)])
    np.testing.assert_array_equal(pixels_of(Image.fromarray(opaque)), NOISE)
    opaque[..., 3] = 254
    refusal(Image.fromarray(opaque), "opaque")


@pytest.mark.parametrize("case", ["palette, one colour", "palette, bytes", "LA", "grey key", "RGB key", "16-bit key"])
def test_every_kind_of_transparency_meets_the_same_rule(tmp_path, case):
    tones = np.full((16, 16), 70, np.uint8)
    tones[0] = 10  # what is to be transparent
    tones[8, 8] = 250
    grey, path = Image.fromarray(tones), tmp_path / "picture.png"
    palette = grey.copy()
    palette.putpalette(bytes(np.repeat(np.arange(256), 3).astype(np.uint8)))
    alpha = Image.fromarray(np.where(tones == 10, 0, 255).astype(np.uint8))
    if case == "16-bit key":
        path.write_bytes(png(tones[..., None].astype(np.uint16), 0, (b"tRNS", struct.pack(">H", 10))))
    else:
        picture, options = {
            "palette, one colour": (palette, {"transparency": 10}),
            "palette, bytes": (palette, {"transparency": bytes([255] * 10 + [0] + [255] * 245)}),
            "LA": (Image.merge("LA", (grey, alpha)), {}),
            "grey key": (grey, {"transparency": 10}),
            "RGB key": (grey.convert("RGB"), {"transparency": (10, 10, 10)}),
        }[case]
        path.write_bytes(encoded(picture, "PNG", **options))
    result = tones_of(path).astype(int)
    assert (result[0] == result[1]).all()
    scaled = [0, 255]  # of 70 and 250: the hidden 10 stretches nothing
    assert list(np.unique(result)) == (scaled if case == "16-bit key" else [70, 250])


@pytest.mark.parametrize(
    "data",
    [
        encoded(DEEP_RAMP, "PNG"),
        encoded(DEEP_RAMP, "TIFF"),
        encoded(DEEP_RAMP, "TIFF", compression="tiff_lzw"),
        tiff(DEEP_RAMP.astype(">u2")[..., None], 1),
        tiff(DEEP_RAMP.astype("<i2")[..., None] - 2000, 1),
        tiff(DEEP_RAMP.astype("<i4")[..., None] * 1000 - 10**6, 1),
        tiff(DEEP_RAMP.astype("<u4")[..., None] + 2**31 - 500, 1),  # read as signed, it would fold over
        tiff(DEEP_RAMP.astype("<f4")[..., None] / 7 - 100, 1),
        tiff(DEEP_RAMP.max() - DEEP_RAMP[..., None], 0),  # MinIsWhite
        tiff(-DEEP_RAMP.astype("<f4")[..., None], 0),
        tiff(255 - RAMP[..., None], 0),
        png(DEEP_RAMP[..., None].repeat(3, axis=-1), 2),
        png(np.dstack([DEEP_RAMP] * 3 + [np.full(RAMP.shape, 65535)]), 6),
        png(np.dstack([RAMP * 256.0, np.full(RAMP.shape, 65535)]), 4),
    ],
)
def test_a_ramp_of_any_depth_comes_out_as_the_8_bit_ramp(tmp_path, data):
    path = tmp_path / "ramp.tif"
    path.write_bytes(data)
    np.testing.assert_array_equal(tones_of(path), RAMP)


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16B"])
def test_a_deep_pillow_image_is_scaled_too(mode):
    numbers = {"I": "i4", "F": "f4", "I;16": "<u2", "I;16B": ">u2"}[mode]
    picture = Image.frombytes(mode, (16, 16), DEEP_RAMP.astype(numbers).tobytes())
    np.testing.assert_array_equal(tones_of(picture), RAMP)


def test_nan_takes_the_edge_tone_and_infinity_the_nearer_end():
    values = np.full((16, 16), 50, np.float32)
    values[8, 4:10] = (np.nan, np.inf, -np.inf, 100, 0, 3e38)
    values[8, 9] = 60
    assert list(tones_of(Image.fromarray(values))[8, 4:10]) == [128, 255, 0, 255, 0, 153]
    refusal(Image.fromarray(np.full((16, 16), np.nan, np.float32)), "no pixel with a value")
    extremes = np.where(RAMP < 128, np.float32(-3.4e38), np.float32(3.4e38))
    assert set(tones_of(Image.fromarray(extremes)).flat) == {0, 255}


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_an_image_without_contrast_is_a_mid_tone(tmp_path, value):
    flat = np.full((10, 10), value, np.uint16)
    assert (tones_of(Image.fromarray(flat)) == 128).all()
    assert (tones_of(dicom(tmp_path / "flat.dcm", flat)) == 128).all()


def test_tiffs_that_pillow_would_decode_wrongly_are_refused(tmp_path):
    path = tmp_path / "odd.tif"
    path.write_bytes(tiff(NOISE.astype("<u2"), 2, planes=2))
    refusal(path, "planes", "PNG")
    path.write_bytes(tiff(RAMP.view("i1")[..., None], 1))
    refusal(path, "signed", "PNG")


# DICOM


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("shift", [0, -3000])
def test_dicom_without_a_window_is_scaled_by_its_range(tmp_path, syntax, shift):
    stored = DEEP_RAMP.astype(np.int16) + shift if shift else DEEP_RAMP
    np.testing.assert_array_equal(tones_of(dicom(tmp_path / "a.dcm", stored, syntax)), RAMP)
    np.testing.assert_array_equal(tones_of(dicom(tmp_path / "b.dcm", RAMP, syntax)), RAMP)


def test_signed_values_in_fewer_bits_than_allocated(tmp_path):
    stored = (DEEP_RAMP.astype(np.int16) - 2140) & 0x0FFF  # the sign bit is bit 11, the upper four are empty
    path = dicom(tmp_path / "a.dcm", stored.astype(np.int16), BitsStored=12)
    np.testing.assert_array_equal(tones_of(path), RAMP)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2, -1024), (-1, 4095)])
def test_the_first_window_maps_as_the_standard_says(tmp_path, function, slope, intercept):
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


def test_a_window_of_width_one_is_a_threshold_and_one_without_a_width_is_none(tmp_path):
    path = dicom(tmp_path / "a.dcm", RAMP, WindowCenter=100, WindowWidth=1)
    np.testing.assert_array_equal(tones_of(path), np.where(RAMP >= 100, 255, 0))
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP, WindowCenter=100, WindowWidth=0)
    np.testing.assert_array_equal(tones_of(path), RAMP)


def test_monochrome1_is_monochrome2_inverted(tmp_path):
    for header in ({}, {"WindowCenter": 1500, "WindowWidth": 700}):
        white = dicom(tmp_path / "1.dcm", DEEP_RAMP, PhotometricInterpretation="MONOCHROME1", **header)
        black = dicom(tmp_path / "2.dcm", DEEP_RAMP, PhotometricInterpretation="MONOCHROME2", **header)
        np.testing.assert_array_equal(tones_of(white), 255 - tones_of(black))


def test_the_padding_value_does_not_stretch_the_range(tmp_path):
    stored = DEEP_RAMP.astype(np.int16)
    stored[0, :3] = (-2000, -1990, -2000)  # 3 of the 256 tones
    path = dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990)
    first = RAMP[0, 3]
    expected = np.rint((RAMP.astype(float) - first).clip(0) / (255 - first) * 255)
    np.testing.assert_array_equal(tones_of(path), expected)
    assert tones_of(dicom(tmp_path / "b.dcm", stored, PixelPaddingValue=-2000))[0, 1] == 0
    assert tones_of(dicom(tmp_path / "b.dcm", stored, PixelPaddingValue=-2000))[0, 3] > 80


def test_lookup_tables_go_before_window_and_range(tmp_path):
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


def test_dicom_colour_comes_out_as_rgb(tmp_path):
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
def test_a_dicom_palette_is_looked_up(tmp_path, bits):
    colours = NOISE.reshape(-1, 3)[:256].astype(f"<u{bits // 8}") << (bits - 8)
    header = {"PhotometricInterpretation": "PALETTE COLOR"}
    for i, channel in enumerate(("Red", "Green", "Blue")):
        header[f"{channel}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        header[f"{channel}PaletteColorLookupTableData"] = colours[:, i].tobytes()
    path = dicom(tmp_path / "a.dcm", RAMP, **header)
    np.testing.assert_array_equal(pixels_of(path), NOISE.reshape(-1, 3)[RAMP])


def test_compressed_dicom(tmp_path):
    flat = np.full((16, 16, 3), (200, 40, 60), np.uint8)
    jpeg = encapsulate([encoded(flat, "JPEG", quality=100, subsampling=0)])
    path = dicom(tmp_path / "a.dcm", flat, uid.JPEGBaseline8Bit, jpeg, PhotometricInterpretation="YBR_FULL_422")
    assert np.abs(pixels_of(path).astype(int) - flat).max() <= 3
    dataset = pydicom.dcmread(dicom(path, DEEP_RAMP))
    dataset.compress(uid.RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    np.testing.assert_array_equal(tones_of(path), RAMP)
    dicom(path, RAMP, uid.JPEGLosslessSV1, encapsulate([b"\xff\xd8 not asked \xff\xd9"]))
    refusal(path, "JPEG Lossless", "no decoder", "uncompressed DICOM or PNG")


def test_dicom_without_its_header_is_read_where_the_ending_says_so(tmp_path):
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
def test_dicom_refusals(tmp_path, header, words):
    refusal(dicom(tmp_path / "a.dcm", DEEP_RAMP, **header), *words)


def test_dicom_files_that_hold_no_image(tmp_path):
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    refusal(path, "no DICOM pixel data")
    path.write_text("not DICOM at all " * 20)
    refusal(path)


def test_a_deflated_dicom_file_is_refused_and_so_never_inflated(tmp_path):
    path = dicom(tmp_path / "bomb.dcm", np.zeros((4000, 4000), np.uint8), uid.DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 100_000
    refusal(path, "Deflated", "uncompressed DICOM or PNG")


def test_read_image_prints_nothing_about_a_nonconforming_header(tmp_path):
    path = dicom(tmp_path / "a.dcm", DEEP_RAMP, data=DEEP_RAMP.tobytes() + bytes(64))
    for reading, silent in (("pydicom.dcmread(path).pixel_array", False), ("read_image(path)", True)):
        code = f"import pydicom; from vip_core.data.images import read_image; path = {str(path)!r}; {reading}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert (done.stderr == "") == silent, done.stderr


# Limits, damage and other kinds


def test_paths_that_lead_to_no_file(tmp_path):
    refusal(tmp_path / "none.png", "not found")
    refusal(tmp_path, "folder")
    refusal(tmp_path / ("x" * 300), "cannot be opened")
    with pytest.raises(ImageError, match="not found"):
        read_image("a\0b.png")
    (tmp_path / "empty.png").touch()
    refusal(tmp_path / "empty.png", "empty")


@pytest.mark.parametrize("data", [b"only text " * 50, b"%PDF-1.7\n" * 9, b"8BPS" + bytes(99), b"RIFF\0\0\0\0WAVE" * 9])
def test_other_kinds_are_refused_whatever_their_ending(tmp_path, data):
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    refusal(path, "is not a PNG, JPEG, WebP, TIFF, BMP or DICOM file")
    path.write_bytes(encoded(NOISE, "GIF"))
    refusal(path, "is not a PNG")


def test_limits_hold_before_anything_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    path.write_bytes(png(np.zeros((1, 1)), 2, size=(30000, 30000)))
    start = time.process_time()
    for limit in (178_956_970 // 2, None, 10):  # Pillow's own limit is neither needed nor in the way
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refusal(path, "30,000 x 30,000 pixels", "64,000,000")
    assert time.process_time() - start < 1
    path.write_bytes(png(np.zeros((1, 1)), 2, size=(10000, 10000)))  # where Pillow only warns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refusal(path, "10,000 x 10,000")
    path.write_bytes(encoded(NOISE, "PNG"))
    np.testing.assert_array_equal(pixels_of(path, max_pixels=600), NOISE)
    refusal(path, "30 x 20 pixels", "599", max_pixels=599)
    refusal(Image.fromarray(NOISE), "30 x 20 pixels", "599", max_pixels=599)
    size = path.stat().st_size
    np.testing.assert_array_equal(pixels_of(path, max_bytes=size), NOISE)
    refusal(path, "the limit is 0.0 MB", max_bytes=size - 1)
    refusal(Image.new("L", (7, 100)), "7 x 100", "at least 8")


def test_files_of_several_pages_are_refused_with_their_number(tmp_path):
    path, pictures = tmp_path / "pages", [Image.fromarray(NOISE + i) for i in range(3)]
    for kind in ("TIFF", "WEBP", "PNG"):
        path.write_bytes(encoded(pictures[0], kind, save_all=True, append_images=pictures[1:]))
        refusal(path, "3 pages")
    path.write_bytes(encoded(pictures[0], "TIFF", save_all=True))
    np.testing.assert_array_equal(pixels_of(path), NOISE)
    path.write_bytes(tiff(RAMP[..., None], 1, pages=20_000))
    start = time.process_time()
    refusal(path, "1000 or more pages")
    assert time.process_time() - start < 2


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
def test_a_file_cut_short_is_refused_or_whole_never_half(tmp_path, name):
    data, path = SAMPLES[name], tmp_path / name
    path.write_bytes(data)
    whole = pixels_of(path)
    for length in {*range(1, len(data), 1 + len(data) // 200), *range(len(data) - 30, len(data))}:
        path.write_bytes(data[:length])
        try:
            np.testing.assert_array_equal(pixels_of(path), whole)
        except ImageError:
            continue


def test_a_png_whose_second_half_was_never_written_is_refused(tmp_path):
    data, path = SAMPLES["png"], tmp_path / "picture.png"
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    refusal(path, "damaged")


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_raise_image_errors_and_nothing_else(tmp_path):
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


def test_a_folder_is_searched_to_the_bottom_without_hidden_files(tmp_path):
    wanted = ["a.PNG", "b/c/scan.dcm", "b/two.jpeg", "z.tif"]
    for name in [*wanted, "notes.txt", "._a.png", ".cache/x.png", "b/.hidden/y.jpg", "d.png/inside.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)] == wanted
    with pytest.raises(ImageError, match=r"a\.PNG is not a folder"):
        find_images(tmp_path / "a.PNG")
