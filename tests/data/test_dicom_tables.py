"""Lookup tables of DICOM in all the forms in which they are written (PS3.3 C.11.1, C.11.2, C.7.6.3.1)."""

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.data.image_files import NOISE, RAMP, dicom, pixels_of, refusal, tones_of

LITTLE, BIG, IMPLICIT = uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.ImplicitVRLittleEndian
TABLE = np.rint(np.sqrt(np.arange(256) / 255) * 255).astype(int)  # 0 to 255, bent
WINDOW = {"WindowCenter": 128, "WindowWidth": 256}  # shows 8-bit values as they are


def table_bytes(entries, form, syntax):
    """form: words of 16 bits, 8 bits in words, 8 bits packed (in words swapped where the file is big-endian)."""
    order = ">u2" if syntax == BIG else "<u2"
    if form == "16 bits":
        return (np.asarray(entries) * 257).astype(order).tobytes()
    if form == "8 bits in words":
        return np.asarray(entries).astype(order).tobytes()
    packed = np.asarray(entries).astype(np.uint8).tobytes() + bytes(len(entries) % 2)
    return np.frombuffer(packed, "<u2").astype(order).tobytes()


def lut_item(entries, form, syntax, first=0, count=None, vr="OW"):
    item, bits = Dataset(), 16 if form == "16 bits" else 8
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) if count is None else count, first, bits])
    item.add_new("LUTData", vr, table_bytes(entries, form, syntax))
    return item


FORMS = [
    (form, syntax) for form in ("16 bits", "8 bits in words", "8 bits packed") for syntax in (LITTLE, BIG, IMPLICIT)
]


@pytest.mark.parametrize(("form", "syntax"), FORMS)
@pytest.mark.parametrize("kind", ["VOILUTSequence", "ModalityLUTSequence"])
def test_read_table_takes_entries_of_every_width(tmp_path, kind, form, syntax):
    for stored in (RAMP, RAMP.astype(np.uint16)):
        path = dicom(tmp_path / "a.dcm", stored, syntax, **{kind: [lut_item(TABLE, form, syntax)]})
        np.testing.assert_array_equal(tones_of(path), TABLE[RAMP])


@pytest.mark.parametrize("form", ["16 bits", "8 bits packed"])
@pytest.mark.parametrize("count", [255, 257])
def test_read_table_takes_a_count_that_is_off_by_one(tmp_path, form, count):
    item = lut_item(TABLE, form, LITTLE, count=count)
    path = dicom(tmp_path / "a.dcm", RAMP, LITTLE, VOILUTSequence=[item])
    assert np.abs(tones_of(path).astype(int) - TABLE[RAMP]).max() <= 1


def test_read_table_takes_a_count_of_zero_for_65536(tmp_path):
    item = lut_item(np.arange(2**16) // 257, "16 bits", LITTLE, count=0)
    path = dicom(tmp_path / "a.dcm", RAMP.astype(np.uint16) * 257, LITTLE, VOILUTSequence=[item])
    np.testing.assert_array_equal(tones_of(path), RAMP)


@pytest.mark.parametrize("form", ["16 bits", "8 bits packed"])
@pytest.mark.parametrize("syntax", [LITTLE, IMPLICIT, BIG])
@pytest.mark.parametrize("first", [-1024, 64512])
def test_read_table_takes_its_first_value_as_negative_where_values_can_be(tmp_path, form, syntax, first):
    item = lut_item(TABLE, form, syntax, first=first)
    header = {"RescaleIntercept": -1024, "RescaleSlope": 1, "VOILUTSequence": [item]}
    path = dicom(tmp_path / "a.dcm", RAMP.astype(np.uint16), syntax, **header)
    np.testing.assert_array_equal(tones_of(path), TABLE[RAMP])
    signed = RAMP.astype(np.int16) - 1024
    path = dicom(tmp_path / "a.dcm", signed, syntax, VOILUTSequence=[item])
    np.testing.assert_array_equal(tones_of(path), TABLE[RAMP])


def test_read_table_takes_its_first_value_as_large_where_values_cannot_be_negative(tmp_path):
    item = lut_item(TABLE, "16 bits", LITTLE, first=64512)
    path = dicom(tmp_path / "a.dcm", RAMP.astype(np.uint16) + 64512, VOILUTSequence=[item])
    np.testing.assert_array_equal(tones_of(path), TABLE[RAMP])


@pytest.mark.parametrize("kind", ["VOILUTSequence", "ModalityLUTSequence"])
def test_read_table_ignores_items_that_are_empty_or_unusable(tmp_path, kind):
    bare, short, flat = Dataset(), Dataset(), lut_item(np.full(256, 7), "16 bits", LITTLE)
    short.add_new("LUTDescriptor", "US", [256, 0])
    short.add_new("LUTData", "OW", b"")
    for items in ([bare], [short], [], [bare, short]):
        path = dicom(tmp_path / "a.dcm", RAMP, **{kind: Sequence(items)}, **WINDOW)
        np.testing.assert_array_equal(tones_of(path), RAMP)
    path = dicom(tmp_path / "a.dcm", RAMP, **{kind: [bare, lut_item(TABLE, "16 bits", LITTLE)]})
    np.testing.assert_array_equal(tones_of(path), TABLE[RAMP])
    path = dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=[flat], **WINDOW)
    np.testing.assert_array_equal(tones_of(path), RAMP)


COLOURS = NOISE.reshape(-1, 3)[:256].astype(int)  # index -> red, green, blue


def palette(form, syntax, count=256, entries=COLOURS):
    header = {"PhotometricInterpretation": "PALETTE COLOR"}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        header[f"{name}PaletteColorLookupTableDescriptor"] = [count, 0, 16 if form == "16 bits" else 8]
        header[f"{name}PaletteColorLookupTableData"] = table_bytes(entries[:, channel], form, syntax)
    return header


@pytest.mark.parametrize(("form", "syntax"), FORMS)
def test_palette_takes_entries_of_every_width(tmp_path, form, syntax):
    for stored in (RAMP, RAMP.astype(np.uint16)):
        path = dicom(tmp_path / "a.dcm", stored, syntax, **palette(form, syntax))
        np.testing.assert_array_equal(pixels_of(path), COLOURS[RAMP])


def test_palette_with_a_count_that_is_off_by_one(tmp_path):
    path = dicom(tmp_path / "a.dcm", RAMP, **palette("16 bits", LITTLE, count=255))
    np.testing.assert_array_equal(pixels_of(path), COLOURS[RAMP])


def test_palette_that_is_missing_is_refused(tmp_path):
    refusal(dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="PALETTE COLOR"), "palette", "PNG")
