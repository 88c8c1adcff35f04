"""PNG, JPEG, WebP, TIFF and BMP files, and Pillow images, come out as 8-bit RGB with the right tones and colours."""

import struct
import sys
import zlib
from base64 import b85decode

import numpy as np
import pytest
from PIL import Image

from tests.data.image_files import (
    DEEP_RAMP,
    DISPLAY_P3,
    GREY,
    NOISE,
    RAMP,
    SRGB,
    dicom,
    encoded,
    exif,
    from_linear,
    icc_profile,
    pixels_of,
    png,
    refusal,
    tiff,
    to_linear,
    tones_of,
)
from vip_core.data.images import read_image

LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_read_image_of_lossless_files_is_exact_whatever_their_ending(tmp_path, kind, options):
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(NOISE, kind, **options))
    np.testing.assert_array_equal(pixels_of(path), NOISE)
    np.testing.assert_array_equal(pixels_of(str(path)), NOISE)


def test_read_image_keeps_the_colours_of_jpeg_and_cmyk_jpeg(tmp_path):
    patches = np.zeros((32, 64, 3), np.uint8)
    patches[:, :32], patches[:, 32:] = (200, 40, 60), (20, 120, 220)
    path = tmp_path / "picture.jpeg"
    for picture in (Image.fromarray(patches), Image.fromarray(patches).convert("CMYK")):
        data = encoded(picture, "JPEG", quality=100, subsampling=0)
        assert (b"Adobe" in data) == (picture.mode == "CMYK")
        path.write_bytes(data)
        assert np.abs(pixels_of(path).astype(int) - patches).max() <= 3
    start = data.index(b"\xff\xee")  # without Adobe's marker CMYK is not inverted
    bare = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    path.write_bytes(bare)
    negative = Image.fromarray(255 - np.asarray(Image.fromarray(patches).convert("CMYK")), "CMYK").convert("RGB")
    assert np.abs(pixels_of(path).astype(int) - np.asarray(negative)).max() <= 3


def test_read_image_of_a_phones_jpeg_with_a_preview_is_the_picture(tmp_path):
    path, preview = tmp_path / "a.jpg", Image.new("RGB", (10, 10))
    path.write_bytes(encoded(NOISE, "MPO", save_all=True, append_images=[preview], quality=95))
    with Image.open(path) as both:
        assert both.n_frames == 2
        np.testing.assert_array_equal(pixels_of(path), np.asarray(both))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "YCbCr", "CMYK", "HSV"])
def test_read_image_of_pillow_modes_without_alpha_is_pillows_conversion(mode):
    picture = Image.fromarray(NOISE).convert(mode)
    before = picture.copy()
    np.testing.assert_array_equal(pixels_of(picture), np.asarray(picture.convert("RGB")))
    assert picture == before


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "PNG", "16-bit PNG", "16-bit RGB PNG"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_read_image_applies_the_orientation_tag(tmp_path, kind, orientation):
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


def test_read_image_fills_transparent_pixels_with_the_edge_tone(tmp_path):
    path = tmp_path / "cut-out.png"
    path.write_bytes(encoded(framed(), "PNG"))
    pixels = pixels_of(path)
    assert (pixels[framed()[..., 3] == 0] == (90, 80, 70)).all()
    assert (pixels[3:17, 4:6] == (90, 80, 70)).all() and (pixels[6, 8] == (200, 10, 10)).all()
    mixed = (np.array((200, 10, 10)) * 128 + np.array((90, 80, 70)) * 127) / 255
    np.testing.assert_allclose(pixels[10, 10], mixed, atol=1)
    np.testing.assert_array_equal(pixels_of(Image.fromarray(framed())), pixels)


def test_read_image_drops_alpha_that_hides_nothing_and_refuses_alpha_that_hides_all():
    opaque = np.dstack([NOISE, np.full(GREY.shape, 255, np.uint8)])
    np.testing.assert_array_equal(pixels_of(Image.fromarray(opaque)), NOISE)
    opaque[..., 3] = 254
    refusal(Image.fromarray(opaque), "opaque")


@pytest.mark.parametrize("case", ["palette, one colour", "palette, bytes", "LA", "grey key", "RGB key", "16-bit key"])
def test_read_image_treats_every_kind_of_transparency_alike(tmp_path, case):
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
def test_read_image_of_a_ramp_of_any_depth_is_the_8_bit_ramp(tmp_path, data):
    path = tmp_path / "ramp.tif"
    path.write_bytes(data)
    np.testing.assert_array_equal(tones_of(path), RAMP)


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16B"])
def test_read_image_scales_deep_pillow_images(mode):
    numbers = {"I": "i4", "F": "f4", "I;16": "<u2", "I;16B": ">u2"}[mode]
    picture = Image.frombytes(mode, (16, 16), DEEP_RAMP.astype(numbers).tobytes())
    np.testing.assert_array_equal(tones_of(picture), RAMP)


def test_read_image_gives_nan_the_edge_tone_and_infinity_the_nearer_end():
    values = np.full((16, 16), 50, np.float32)
    values[8, 4:10] = (np.nan, np.inf, -np.inf, 100, 0, 3e38)
    values[8, 9] = 60
    assert list(tones_of(Image.fromarray(values))[8, 4:10]) == [128, 255, 0, 255, 0, 153]
    refusal(Image.fromarray(np.full((16, 16), np.nan, np.float32)), "no pixel with a value")
    extremes = np.where(RAMP < 128, np.float32(-3.4e38), np.float32(3.4e38))
    assert set(tones_of(Image.fromarray(extremes)).flat) == {0, 255}


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_read_image_of_an_image_without_contrast_is_a_mid_tone(tmp_path, value):
    flat = np.full((10, 10), value, np.uint16)
    assert (tones_of(Image.fromarray(flat)) == 128).all()
    assert (tones_of(dicom(tmp_path / "flat.dcm", flat)) == 128).all()


def test_read_image_refuses_tiffs_that_pillow_decodes_wrongly(tmp_path):
    path = tmp_path / "odd.tif"
    path.write_bytes(tiff(NOISE.astype("<u2"), 2, planes=2))
    refusal(path, "planes", "PNG")
    path.write_bytes(tiff(RAMP.view("i1")[..., None], 1))
    refusal(path, "signed", "PNG")


# 16-bit colour: a picture looks alike at 8 and at 16 bits


def deep_forms(values):
    """Files of 16-bit colour (H, W, 3): PNG, and TIFF of either byte order, compressed and with alpha."""
    opaque = np.dstack([values, np.full(values.shape[:2], 65535)])
    return {
        "png": png(values, 2),
        "png with alpha": png(opaque, 6),
        "tiff": tiff(values.astype("<u2"), 2),
        "big-endian tiff": tiff(values.astype(">u2"), 2),
        "deflated tiff": tiff(values.astype("<u2"), 2, compression=8),
        "deflated big-endian tiff": tiff(values.astype(">u2"), 2, compression=8),
    }


@pytest.mark.parametrize("form", deep_forms(NOISE.astype(np.uint16)))
@pytest.mark.parametrize("dim", [1, 4])
def test_read_image_of_16_bit_colour_is_the_8_bit_picture(tmp_path, form, dim):
    picture, path = NOISE // dim, tmp_path / "picture"
    path.write_bytes(deep_forms(picture.astype(np.uint16) * 257)[form])
    np.testing.assert_array_equal(pixels_of(path), picture)


@pytest.mark.parametrize("form", deep_forms(NOISE.astype(np.uint16)))
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_read_image_of_16_bit_colour_with_empty_upper_bits_keeps_all_tones(tmp_path, form, bits):
    path = tmp_path / "picture"
    path.write_bytes(deep_forms(NOISE.astype(np.uint16) << (bits - 8))[form])
    found = read_image(path)
    np.testing.assert_array_equal(found, NOISE)
    assert f"uses {bits} of its 16 bits" in found.info["remarks"][0]
    path.write_bytes(deep_forms(np.rint(NOISE * ((2**bits - 1) / 255)).astype(np.uint16))[form])
    np.testing.assert_array_equal(pixels_of(path), NOISE)


@pytest.mark.parametrize("shift", [2, 4, 8])
@pytest.mark.parametrize("most", [255, 200])
def test_read_image_of_8_bits_shifted_up_in_16_bit_colour_is_the_8_bit_picture(tmp_path, shift, most):
    path, picture = tmp_path / "picture", NOISE.clip(0, most)
    path.write_bytes(tiff(picture.astype("<u2") << shift, 2))
    np.testing.assert_array_equal(pixels_of(path), picture)


def test_read_image_of_12_bits_shifted_up_keeps_white(tmp_path):
    path, deep = tmp_path / "picture", np.rint(NOISE * (4095 / 255)).astype("<u2")
    path.write_bytes(tiff(deep << 4, 2))
    np.testing.assert_array_equal(pixels_of(path), NOISE)


@pytest.mark.parametrize("tag", [281, 341])
def test_read_image_takes_the_depth_of_colour_from_the_greatest_value_that_a_tiff_names(tmp_path, tag):
    """A dark picture of 12 bits has 12 bits, and white is never the greatest value that merely occurs."""
    path, dark = tmp_path / "picture", NOISE // 8
    path.write_bytes(tiff((dark * 16.0 + dark // 16).astype("<u2"), 2, extra=[(tag, 4095)]))
    assert np.abs(pixels_of(path).astype(int) - dark).max() <= 1
    path.write_bytes(tiff(dark.astype("<u2") * 257, 2, extra=[(tag, int(dark.max()) * 257)]))
    np.testing.assert_array_equal(pixels_of(path), dark)
    path.write_bytes(tiff((dark * 16).astype("<u2") + 1, 2, extra=[(tag, 65535)]))
    assert pixels_of(path).max() <= 2


def test_read_image_of_16_bit_grey_with_alpha_keeps_all_tones(tmp_path):
    path, alpha = tmp_path / "picture.png", np.full(RAMP.shape, 65535)
    path.write_bytes(png(np.dstack([DEEP_RAMP, alpha]), 4))
    np.testing.assert_array_equal(tones_of(path), RAMP)
    alpha[0] = 0
    path.write_bytes(png(np.dstack([DEEP_RAMP, alpha]), 4, (b"eXIf", exif(3).tobytes()[6:])))
    tones = np.rot90(tones_of(path), 2).astype(int)
    scaled = np.rint((RAMP[1:].astype(float) - 16) / 239 * 255)
    np.testing.assert_array_equal(tones[1:], scaled)
    assert len(np.unique(tones[0])) == 1  # the edge tone


# Colour profiles


@pytest.mark.parametrize("form", ["8-bit PNG", "16-bit PNG", "JPEG", "TIFF", "WEBP", "palette", "transparent"])
def test_read_image_converts_display_p3_to_srgb(tmp_path, form):
    colours = np.random.default_rng(1).integers(60, 200, (4, 4, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
    light = to_linear(colours / 255) @ np.array(DISPLAY_P3) @ np.linalg.inv(np.array(SRGB))
    expected = from_linear(light.clip(0, 1)) * 255
    assert np.abs(expected - colours).max() > 10
    path, profile = tmp_path / "picture", icc_profile(DISPLAY_P3)
    if form == "16-bit PNG":
        chunk = b"P3\0\0" + zlib.compress(profile)
        path.write_bytes(png(colours.astype(np.uint16) * 257, 2, (b"iCCP", chunk)))
    else:
        picture = Image.fromarray(colours)
        options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
        if form == "palette":
            picture = picture.quantize(16)
        if form == "transparent":
            picture.putalpha(Image.fromarray(np.where(np.arange(32) < 8, 0, 255).astype(np.uint8)[None].repeat(32, 0)))
            expected = expected[:, 8:]
        kind = form if form in ("JPEG", "TIFF", "WEBP") else "PNG"
        path.write_bytes(encoded(picture, kind, icc_profile=profile, **options))
    found = pixels_of(path)[:, -expected.shape[1] :]
    assert np.abs(found - expected).max() <= (4 if form in ("JPEG", "palette") else 2)


def test_read_image_ignores_a_profile_that_is_srgb_damaged_or_of_another_kind(tmp_path):
    path = tmp_path / "picture.png"
    for profile in (icc_profile(SRGB), b"not a profile" * 20, icc_profile(DISPLAY_P3)[:200]):
        path.write_bytes(encoded(NOISE, "PNG", icc_profile=profile))
        np.testing.assert_array_equal(pixels_of(path), NOISE)
    path.write_bytes(encoded(GREY, "PNG", icc_profile=icc_profile(DISPLAY_P3)))
    np.testing.assert_array_equal(tones_of(path), GREY)


# Files that Pillow reads wrongly or not at all


def test_read_image_skips_large_and_damaged_text_of_a_png(tmp_path):
    path, small = tmp_path / "picture.png", b"Comment\0text"
    large = zlib.compress(bytes(2 * 2**20))
    texts = [(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + large), (b"zTXt", b"Comment\0\0" + large), (b"tEXt", small)]
    texts += [(b"iCCP", b"profile\0\0" + large), (b"zTXt", b"Comment\0\0not zlib")]
    for text in texts:
        path.write_bytes(png(DEEP_RAMP[..., None], 0, text))
        np.testing.assert_array_equal(tones_of(path), RAMP)
    damaged = png(DEEP_RAMP[..., None], 0, (b"tEXt", small)).replace(b"text", b"test")
    path.write_bytes(damaged)
    np.testing.assert_array_equal(tones_of(path), RAMP)
    whole = png(DEEP_RAMP[..., None], 0)
    path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])  # the checksum of the pixels still counts
    refusal(path, "damaged")


@pytest.mark.parametrize("order", ["<u1", ">u1"])
def test_read_image_counts_only_pages_that_are_pictures(tmp_path, order):
    path = tmp_path / "picture.tif"
    for kind in (1, 4, 5):  # a thumbnail, a mask, a thumbnail of a mask
        path.write_bytes(tiff(RAMP.astype(order)[..., None], 1, pages=2, later=[(254, kind)]))
        np.testing.assert_array_equal(tones_of(path), RAMP)
    path.write_bytes(tiff(RAMP[..., None], 1, pages=2, later=[(254, 2)]))
    refusal(path, "2 pages")


def test_read_image_refuses_the_preview_of_a_raw_photograph(tmp_path):
    path, picture = tmp_path / "picture.dng", tiff(RAMP[..., None], 1)
    path.write_bytes(tiff(RAMP[..., None], 1, extra=[(254, 1)]))
    refusal(path, "preview", "JPEG or PNG")
    data = bytes(tiff(RAMP[..., None], 1, extra=[(330, len(picture) + 12)]))
    sizes = struct.pack("<HHII", 256, 4, 1, 600) + struct.pack("<HHII", 257, 4, 1, 400)
    larger = struct.pack("<H", 2) + sizes + bytes(4)
    path.write_bytes(data.ljust(len(picture) + 12, b"\0") + larger)
    refusal(path, "preview", "JPEG or PNG")


def test_read_image_names_64_bit_floats(tmp_path):
    path = tmp_path / "picture.tif"
    path.write_bytes(tiff(RAMP.astype("<f8")[..., None], 1))
    refusal(path, "64-bit floats", "32-bit")


def test_read_image_of_a_tiff_palette_written_with_8_bits(tmp_path):
    path, picture = tmp_path / "picture.tif", Image.fromarray(NOISE).quantize(64)
    data = encoded(picture, "TIFF")
    expected = np.asarray(picture.convert("RGB"))
    path.write_bytes(data)
    np.testing.assert_array_equal(pixels_of(path), expected)
    entries = (np.array(picture.getpalette("RGB") + [0] * 768)[:768].reshape(256, 3).T).ravel()
    high = (entries * 256).astype("<u2").tobytes()
    assert data.count(high) == 1
    path.write_bytes(data.replace(high, entries.astype("<u2").tobytes()))
    np.testing.assert_array_equal(pixels_of(path), expected)


HEIC = b85decode(  # 16 x 16 pixels: (200, 40, 60) on the left, (20, 120, 220) on the right
    b"0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004eZDn*}000000000XXk=`10000000000aA{+700000000000000000000B57=I"
    b"V*mgE07O6l0RRC200001pa1~?00000002J#001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t000010002|"
    b"X>f9I0002oX>en20001WXm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDDMA4O"
    b"18@KU0|1Z!00RI30{|YNAb|yz>aLpR;31&EfB*mtfB*mk0EA)y0RRR>0l{;@i2wiq6Ju{|a&BX6cmM$a4FCp!0000KX>)L800000"
    b"0000$0000$0000eV{Bn?0000G000010000G00001|NsBc00002|NsBc000020000GaA|mH000000|*ER0000OX>e^}0000000001"
    b"009Mo0s{qv0000-ZDe6|0000xC;_ht$X=Y#Bbb)|WdHQMgs?co?G>$ber}q5+d+EzyHv@)H_-D^^Ku`ZYGUdmMRL_nfa54)tJ-`"
)


def test_read_image_of_heic(tmp_path):
    pytest.importorskip("pi_heif")
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(HEIC)
    pixels = pixels_of(path).astype(int)
    assert np.abs(pixels[:, :6] - (200, 40, 60)).max() <= 12 and np.abs(pixels[:, 10:] - (20, 120, 220)).max() <= 12
    path.write_bytes(HEIC[:300])
    refusal(path, "damaged")


def test_read_image_says_what_heic_needs(tmp_path, monkeypatch):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(HEIC)
    monkeypatch.setitem(sys.modules, "pi_heif.as_plugin", None)
    refusal(path, "HEIC photograph", "pi-heif", "JPEG")
