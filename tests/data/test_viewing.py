"""What a viewer shows: facts of a DICOM header, never a name; and values of more than 8 bits with their presets."""

import base64

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from vip_core.data.viewing import DicomFacts, dicom_facts, grey_values


@pytest.fixture
def dicom(tmp_path):
    def write(**header):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
        data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.Rows, data.Columns, data.SamplesPerPixel = 4, 6, 1
        data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 1
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
        data.PixelData = np.arange(-10, 14, dtype="<i2").tobytes()
        for key, value in header.items():
            setattr(data, key, value)
        path = tmp_path / "image.dcm"
        data.save_as(path, enforce_file_format=True)
        return path

    return write


def test_dicom_facts_are_those_of_the_header_and_no_more(dicom):
    path = dicom(
        Modality="DX", BodyPartExamined="Chest", ViewPosition="PA", ImageLaterality="L", PatientAge="018M",
        StudyDate="20240131", PatientName="Secret^Person", PatientID="12345",
    )  # fmt: skip
    facts = dicom_facts(path)
    assert facts == DicomFacts("DX", "CHEST", "PA", "L", 1.5, "2024-01-31")
    assert str(facts) == "DX, chest, PA, L, 18 months" and "Secret" not in repr(facts) and "12345" not in repr(facts)


def test_dicom_facts_age_follows_from_the_dates(dicom):
    assert dicom_facts(dicom(PatientBirthDate="20190201", StudyDate="20240131")).years == 4


def test_dicom_facts_are_none_for_other_files(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    assert dicom_facts(tmp_path / "x.png") is None


def test_grey_values_are_in_the_units_of_the_windows(dicom):
    path = dicom(RescaleSlope="2", RescaleIntercept="-1000", WindowCenter=["40", "300"], WindowWidth=["400", "1500"])
    found = grey_values(path)
    units = found.values * found.slope + found.intercept
    assert units.min() == -10 * 2 - 1000 and units.max() == 13 * 2 - 1000
    assert [preset[1:] for preset in found.presets] == [(40, 400), (300, 1500)]


def test_grey_values_survive_json(dicom):
    found = grey_values(dicom())
    sent = found.to_dict()
    values = np.frombuffer(base64.b64decode(sent["values"]), "<u2").reshape(sent["rows"], sent["columns"])
    assert np.array_equal(values, found.values) and sent["high"] > sent["low"]


def test_grey_values_of_16_bit_pictures_are_whole(tmp_path):
    pixels = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert np.array_equal(grey_values(tmp_path / "x.png").values, pixels)


def test_grey_values_are_none_for_eight_bits_and_colour(tmp_path):
    for mode in ("L", "RGB"):
        Image.new(mode, (4, 4)).save(tmp_path / "x.png")
        assert grey_values(tmp_path / "x.png") is None


def test_grey_values_are_at_most_as_many_as_a_screen_shows(tmp_path):
    Image.fromarray(np.zeros((2000, 1500), np.uint16)).save(tmp_path / "x.png")
    assert max(grey_values(tmp_path / "x.png").values.shape) <= 768
