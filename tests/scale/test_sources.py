"""Folders, globs, tables and addresses give the same images, sorted and once each."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.scale.conftest import read_archive, score
from vip_core.errors import DataError, UsageError
from vip_core.scale.sources import list_images
from vip_core.scale.storage import Storage


def paths(*sources, column=None) -> list[str]:
    return list_images(list(map(str, sources)), Storage(), column).column("path").to_pylist()


@pytest.fixture
def names(few_images) -> list[str]:
    return sorted(map(str, few_images.glob("*.png")))


def test_folder_glob_and_both_give_each_image_once(few_images, names):
    assert paths(few_images) == names
    assert paths(few_images / "*7.png") == [name for name in names if name.endswith("7.png")]
    assert paths(few_images / "*7.png", few_images, few_images / "image0007.png") == names


def test_table_of_paths_is_read_relative_to_its_folder(few_images, names, tmp_path):
    table = pa.table({"film": [*names[:2], "films/image0002.png"], "age": [60, 61, 62]})
    pq.write_table(table, tmp_path / "films.parquet")
    assert paths(tmp_path / "films.parquet", column="film") == names[:3]
    (tmp_path / "films.csv").write_text("age,path\n60,films/image0000.png\n61,films/image0001.png\n")
    assert paths(tmp_path / "films.csv") == names[:2]


def test_listing_has_size_and_time_of_each_file(few_images):
    listing = list_images([str(few_images)], Storage())
    status = (few_images / "image0000.png").stat()
    assert listing.column("size")[0].as_py() == status.st_size
    assert listing.column("modified").cast(pa.int64())[0].as_py() == status.st_mtime_ns


def test_address_gives_the_rows_of_the_same_folder(worker, few_images, tmp_path):
    address = f"file://{few_images}"
    score(worker, few_images, tmp_path / "folder")
    score(worker, address, tmp_path / "address")
    local, stored = read_archive(tmp_path / "folder"), read_archive(tmp_path / "address")
    assert stored.column("path").to_pylist() == [f"file://{path}" for path in local.column("path").to_pylist()]
    assert stored.drop_columns("path").equals(local.drop_columns("path"))
    assert score(worker, address, tmp_path / "address").scored == 0
    assert paths(f"{address}/*7.png") == [f"file://{path}" for path in sorted(map(str, few_images.glob("*7.png")))]


def test_table_may_list_addresses(few_images, tmp_path):
    (tmp_path / "films.csv").write_text(f"path\nfile://{few_images}/image0000.png\nfile://{few_images}/none.png\n")
    listing = list_images([str(tmp_path / "films.csv")], Storage())
    assert listing.column("path").to_pylist() == [f"file://{few_images}/{n}.png" for n in ("image0000", "none")]
    assert [size is None for size in listing.column("size").to_pylist()] == [False, True]


def test_addresses_in_rows_have_no_credentials_or_options():
    storage = Storage()
    assert storage.add("s3://KEY:SECRET@bucket/films?region=eu-west-1") == "s3://bucket/films"


@pytest.mark.parametrize("source", ["nothing-*.png", "file:///nowhere/films"])
def test_source_without_images_is_refused(source):
    with pytest.raises(UsageError, match="contains no images"):
        paths(source)


@pytest.mark.parametrize(
    ("content", "words"), [("name\nx.png\n", "must be called path or image"), ("", "cannot be read"), (None, "cannot")]
)
def test_table_that_cannot_be_read_is_refused_with_one_sentence(tmp_path, content, words):
    if content is not None:
        (tmp_path / "films.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        paths(tmp_path / "films.csv")


def test_unknown_kind_of_address_is_refused():
    with pytest.raises(DataError, match=r"gopher://films cannot be opened"):
        paths("gopher://films")
