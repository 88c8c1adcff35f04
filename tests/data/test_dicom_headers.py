"""Headers that are incomplete, unusual or wrong are read as DCMTK or GDCM reads them, never as noise or black."""

import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from tests.data.image_files import DEEP_RAMP, RAMP, dicom, encoded, patch, refusal, tones_of
from vip_core.data.images import read_image

WINDOW = {"WindowCenter": 1500, "WindowWidth": 1201}
STORED = DEEP_RAMP - 100  # 0 to 4080, in 12 bits


def windowed(values, center=1500, width=1201):
    """LINEAR, PS3.3 C.11.2.1.2.1."""
    return ((values - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1) * 255


def item(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize("header", [{"RescaleSlope": 0, "RescaleIntercept": 0}, {"RescaleSlope": 0}])
def test_rescale_slope_of_zero_is_ignored(tmp_path, header):
    path = dicom(tmp_path / "a.dcm", STORED, **WINDOW, **header)
    np.testing.assert_allclose(tones_of(path), windowed(STORED), atol=0.51)
    np.testing.assert_array_equal(tones_of(dicom(path, STORED, **header)), RAMP)


def test_rescale_without_one_of_its_two_numbers(tmp_path):
    path = dicom(tmp_path / "a.dcm", STORED, RescaleIntercept=-1000, **WINDOW)
    np.testing.assert_allclose(tones_of(path), windowed(STORED - 1000.0), atol=0.51)
    path = dicom(tmp_path / "a.dcm", STORED, RescaleSlope=2, **WINDOW)
    np.testing.assert_allclose(tones_of(path), windowed(STORED * 2.0), atol=0.51)


def test_window_narrower_than_one_is_linear_exact(tmp_path):
    header = {"RescaleSlope": "0.000244140625", "RescaleIntercept": 0, "WindowCenter": 0.5, "WindowWidth": 0.9}
    path = dicom(tmp_path / "a.dcm", STORED, **header)
    expected = ((STORED * 0.000244140625 - 0.5) / 0.9 + 0.5).clip(0, 1) * 255  # PS3.3 C.11.2.1.3.2
    np.testing.assert_allclose(tones_of(path), expected, atol=0.51)


@pytest.mark.parametrize("groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_window_and_rescale_of_an_enhanced_object_with_one_frame(tmp_path, groups):
    macros = item(
        FrameVOILUTSequence=[item(**WINDOW)],
        PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=-100)],
    )
    path = dicom(tmp_path / "a.dcm", STORED, NumberOfFrames=1, **{groups: [macros]})
    np.testing.assert_allclose(tones_of(path), windowed(STORED * 2.0 - 100), atol=0.51)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("signed", [False, True])
def test_high_bit_above_the_stored_bits_is_a_shift(tmp_path, syntax, signed):
    values = STORED.astype(int) - (2048 if signed else 0)
    shifted = ((values & 0xFFF) << 4).astype(np.uint16)
    header = {"BitsStored": 12, "HighBit": 15, "PixelRepresentation": int(signed), **WINDOW}
    path = dicom(tmp_path / "a.dcm", shifted, syntax, **header)
    np.testing.assert_allclose(tones_of(path), windowed(values), atol=0.51)


def test_bits_above_the_stored_ones_are_no_part_of_the_value(tmp_path):
    overlaid = STORED | 0x8000  # an overlay in the highest bit
    path = dicom(tmp_path / "a.dcm", overlaid, BitsStored=12)
    np.testing.assert_array_equal(tones_of(path), RAMP)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME1", "", True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "", False),
    ],
)
def test_presentation_lut_shape_decides_the_polarity_as_in_dcmtk(tmp_path, photometric, shape, inverted):
    path = dicom(tmp_path / "a.dcm", STORED, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    np.testing.assert_array_equal(tones_of(path), 255 - RAMP if inverted else RAMP)


@pytest.mark.parametrize(
    ("center", "width", "used"),
    [
        (b"1500,5", b"1201,5", (1500.5, 1201.5)),
        (b"1500\\ ", b"1201\\ ", (1500, 1201)),
        (b"\\1500 ", b"\\1201 ", (1500, 1201)),
        (b"1500\\40", b"1201\\80", (1500, 1201)),
        (b"x\\1500", b"9\\1201", (1500, 1201)),
        (b"900\\15", b"0\\1201", (15, 1201)),
        (b"\\\\    ", b"\\\\    ", None),
        (b"middle", b"broad ", None),
        (b"1500  ", b"broad ", None),
        (b"nan   ", b"1201  ", None),
        (b"1500  ", b"inf   ", None),
        (b"1500  ", b"-1201 ", None),
    ],
)
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_window_that_is_badly_written_is_read_as_far_as_it_can_be(tmp_path, syntax, center, width, used):
    shown = {"WindowCenter": "1111.1".ljust(len(center), "1"), "WindowWidth": "2222.2".ljust(len(width), "2")}
    path = dicom(tmp_path / "a.dcm", STORED, syntax, **shown)
    patch(path, shown["WindowCenter"].encode(), center)
    patch(path, shown["WindowWidth"].encode(), width)
    expected = RAMP if used is None else windowed(STORED, *used)
    np.testing.assert_allclose(tones_of(path), expected, atol=0.51)


@pytest.mark.parametrize(
    "header",
    [
        {"PhotometricInterpretation": None},
        {"PhotometricInterpretation": ""},
        {"PhotometricInterpretation": "monochrome2"},
        {"SamplesPerPixel": None},
        {"PixelRepresentation": None},
        {"BitsStored": None, "HighBit": None},
        {"HighBit": None},
        {"NumberOfFrames": 0},
        {"BitsStored": 0, "HighBit": 15},
        {"BitsStored": 17, "HighBit": 15},
    ],
)
def test_attributes_that_are_missing_get_their_obvious_value(tmp_path, header):
    np.testing.assert_array_equal(tones_of(dicom(tmp_path / "a.dcm", STORED, **header)), RAMP)


def test_planar_configuration_that_is_missing_is_by_pixel(tmp_path):
    colours = np.dstack([RAMP, RAMP.T, 255 - RAMP])
    path = dicom(tmp_path / "a.dcm", colours, PlanarConfiguration=None)
    np.testing.assert_array_equal(np.asarray(read_image(path)), colours)


def test_transfer_syntax_is_that_of_the_file_meta_alone(tmp_path):
    path = dicom(tmp_path / "a.dcm", STORED, AvailableTransferSyntaxUID=uid.DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(tones_of(path), RAMP)


def test_preamble_may_be_missing(tmp_path):
    path = dicom(tmp_path / "a.dcm", STORED)
    path.write_bytes(path.read_bytes()[128:])
    np.testing.assert_array_equal(tones_of(path.rename(tmp_path / "IM0001")), RAMP)


def test_number_of_frames_in_words_is_one(tmp_path):
    path = dicom(tmp_path / "a.dcm", STORED, NumberOfFrames=12345678)
    refusal(path, "12345678 frames")
    np.testing.assert_array_equal(tones_of(patch(path, b"12345678", b"just one")), RAMP)


# Pictures that would be nearly one tone


def phantom():
    """12-bit values, 64 x 64: enough pixels that one is few."""
    return np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)


def test_hot_pixel_is_left_out_of_the_range_with_a_remark(tmp_path):
    stored = phantom()
    calm = tones_of(dicom(tmp_path / "calm.dcm", stored))
    stored[20, 20] = 65535
    path = dicom(tmp_path / "hot.dcm", stored)
    tones = tones_of(path).copy()
    assert tones[20, 20] == 255
    tones[20, 20] = calm[20, 20]
    np.testing.assert_array_equal(tones, calm)
    assert read_image(path).info["remarks"] == ["hot.dcm has a few extreme values; they are left out of its range."]
    Image.fromarray(stored).save(tmp_path / "hot.png")
    np.testing.assert_array_equal(tones_of(tmp_path / "hot.png"), tones_of(path))
    assert read_image(tmp_path / "hot.png").info["remarks"]


def test_window_that_leaves_almost_no_tones_gives_way_to_the_range_with_a_remark(tmp_path):
    stored = phantom() + 1000
    path = dicom(tmp_path / "white.dcm", stored, WindowCenter=128, WindowWidth=256)
    np.testing.assert_array_equal(tones_of(path), tones_of(dicom(tmp_path / "b.dcm", stored)))
    (remark,) = read_image(path).info["remarks"]
    assert remark.startswith("white.dcm has a window that leaves almost no tones")
    path = dicom(tmp_path / "good.dcm", stored, WindowCenter=3000, WindowWidth=500)
    np.testing.assert_allclose(tones_of(path), windowed(stored, 3000, 500), atol=0.51)
    assert read_image(path).info["remarks"] == []


def test_padding_that_lossy_compression_has_moved_is_still_padding(tmp_path):
    tones = np.full((64, 64), 100, np.uint8)
    tones[:, 32:] = np.linspace(80, 120, 32)
    tones[:8], tones[3, 3] = 0, 2  # padding, and what JPEG made of it
    header = {"PixelPaddingValue": 0, "LossyImageCompression": "01"}
    found = tones_of(dicom(tmp_path / "a.dcm", tones, **header))
    assert found[8:].min() == 0 and found[8:].max() == 255
    found = tones_of(dicom(tmp_path / "a.dcm", tones, PixelPaddingValue=0))
    assert found[8:].min() > 100  # without lossy compression 2 is a value
    jpeg = encapsulate([encoded(tones, "JPEG", quality=60)])
    found = tones_of(dicom(tmp_path / "a.dcm", tones, uid.JPEGBaseline8Bit, jpeg, PixelPaddingValue=0))
    assert found[16:, :30].mean() < 140 < 200 < found[16:, -2:].mean()
