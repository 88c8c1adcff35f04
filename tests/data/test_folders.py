"""What in a folder is an image, and what is left out."""

import pytest

from tests.data.image_files import RAMP, dicom
from vip_core.data.folders import describe_left_out, find_images, is_image, search_folder
from vip_core.errors import ImageError


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names_in(root, paths):
    return [path.relative_to(root).as_posix() for path in paths]


def test_search_folder_reaches_the_bottom_and_skips_hidden_files(tmp_path):
    wanted = ["a.PNG", "b/c/scan.dcm", "b/two.jpeg", "z.tif"]
    put(tmp_path, *wanted, "._a.png", ".cache/x.png", "b/.hidden/y.jpg", "d.png/inside.txt", "Thumbs.db", "DICOMDIR")
    found = search_folder(tmp_path)
    assert names_in(tmp_path, found.images) == wanted == names_in(tmp_path, find_images(tmp_path))
    assert names_in(tmp_path, found.left_out) == ["d.png/inside.txt"]
    with pytest.raises(ImageError, match=r"a\.PNG is not a folder"):
        search_folder(tmp_path / "a.PNG")


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.IMA", "a.dc3", "a.heic", "a.TIFF", "a.DICOM"])
def test_is_image_by_its_ending(tmp_path, name):
    put(tmp_path, name)
    assert is_image(tmp_path / name)


@pytest.mark.parametrize("name", ["IM000001", "1.2.840.113619.2.55", "scan.0001"])
def test_is_image_by_the_mark_of_dicom(tmp_path, name):
    path = dicom(tmp_path / name, RAMP)
    assert is_image(path)
    path.write_bytes(path.read_bytes()[128:])
    assert is_image(path)
    path.write_bytes(b"text")
    assert not is_image(path)


def test_search_folder_follows_links_once(tmp_path):
    put(tmp_path, "real/a.png", "root/b.png")
    (tmp_path / "root/link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real/back").symlink_to(tmp_path / "root", target_is_directory=True)
    (tmp_path / "root/c.png").symlink_to(tmp_path / "real/a.png")
    (tmp_path / "root/gone.png").symlink_to(tmp_path / "nowhere.png")
    found = search_folder(tmp_path / "root")
    assert names_in(tmp_path / "root", found.images) == ["b.png", "c.png", "link/a.png"]
    assert names_in(tmp_path / "root", found.left_out) == ["gone.png"]


def test_describe_left_out_counts_and_names(tmp_path):
    assert describe_left_out([]) == ""
    assert describe_left_out([tmp_path / "a.txt"]) == "1 file is left out because it is not an image: a.txt."
    five = [tmp_path / f"{name}.txt" for name in "abcde"]
    assert describe_left_out(five) == "5 files are left out because they are not images: a.txt, b.txt, c.txt, …."
