"""Features are encoded once per image and view, whatever the order, and found again by content."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from vip_core.data import feature_cache, features
from vip_core.data.dataset import Row
from vip_core.data.feature_cache import FeatureCache
from vip_core.data.features import (
    UnreadableImages,
    encode_stream,
    fresh_views,
    image_features,
    readable_rows,
    worker_count,
)
from vip_core.data.images import read_image
from vip_core.data.versions import reader_version
from vip_core.errors import DataError, ImageError
from vip_core.models.backbone import Backbone


@pytest.fixture
def paths(image_folder):
    return sorted(image_folder.rglob("*.png"))


def count_encoded(backbone: Backbone) -> list[int]:
    """Numbers of images in each later pass of the tower, filled as it runs."""
    passes = []
    backbone.clip.visual.register_forward_pre_hook(lambda module, arguments: passes.append(len(arguments[0])))
    return passes


def test_image_features_without_views_are_the_backbones_own_preprocessing(backbone, paths):
    expected = [backbone.encode_images(backbone.preprocess(read_image(path))[None])[0] for path in paths]
    found = image_features(backbone, paths)
    assert found.shape == (40, 1, 8)
    assert torch.nn.functional.cosine_similarity(found[:, 0], torch.stack(expected), dim=-1).min() > 0.995


def test_image_features_encode_an_image_once(backbone, paths, tmp_path):
    passes = count_encoded(backbone)
    first = image_features(backbone, paths, views=2)
    assert sum(passes) == 40 * 3
    assert torch.equal(image_features(backbone, paths[::-1], views=2), first.flip(0))
    moved = shutil.copy(paths[0], tmp_path / "elsewhere.png")  # found by content, not by name
    assert torch.equal(image_features(backbone, [moved], views=2)[0], first[0])
    assert sum(passes) == 40 * 3


def test_image_features_of_another_backbone_or_number_of_views_are_encoded_anew(backbone, tiny_custom, paths):
    passes = count_encoded(backbone)
    image_features(backbone, paths[:4], views=1)
    image_features(backbone, paths[:4], views=2)
    assert sum(passes) == 4 * 2 + 4 * 3
    other = Backbone.load(tiny_custom)
    with torch.no_grad():
        other.clip.visual.proj.mul_(2)
    passes = count_encoded(other)
    image_features(other, paths[:4], views=1)
    assert sum(passes) == 4 * 2


def test_image_features_of_another_crop_or_arithmetic_are_encoded_anew(backbone, paths, monkeypatch):
    passes = count_encoded(backbone)
    found = {}
    for bf16 in (True, False):
        monkeypatch.setattr(features, "fast_bf16", lambda device, bf16=bf16: bf16)
        for crop in (0.08, 0.6):
            for _ in range(2):
                found[bf16, crop] = image_features(backbone, paths[:4], views=1, crop=crop)
    assert sum(passes) == 4 * 4 * 2  # four keys, four images, two views; the repetition costs nothing
    assert torch.equal(found[False, 0.08][:, 0], found[False, 0.6][:, 0])
    assert not torch.allclose(found[False, 0.08][:, 1], found[False, 0.6][:, 1], atol=1e-3)
    assert not torch.equal(found[True, 0.08], found[False, 0.08])


def test_encode_stream_with_worker_processes_is_the_same_as_without(backbone, paths, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    mixed, seeds = [*paths[:20], bad, *paths[20:]], [str(number) for number in range(41)]
    assert worker_count(41, 8) > 0 and worker_count(41, 32) == 0
    parallel = list(encode_stream(backbone, mixed, 1, seeds, batch_size=8))
    alone = list(encode_stream(backbone, mixed, 1, seeds, batch_size=32))
    assert str(parallel.pop(20)) == str(alone.pop(20)) and len(parallel) == len(alone) == 40
    torch.testing.assert_close(torch.stack(parallel), torch.stack(alone), atol=0.05, rtol=0.05)  # bf16 sums differ


def test_image_features_of_views_depend_on_the_image_alone(backbone, paths, tmp_path, monkeypatch):
    together = image_features(backbone, paths, views=3, crop=0.08)
    monkeypatch.setenv("VIP_CACHE", str(tmp_path / "another"))
    torch.manual_seed(99)
    alone = image_features(backbone, paths[7:8], views=3, crop=0.08)
    torch.testing.assert_close(alone[0], together[7], atol=0.05, rtol=0.05)  # bf16 sums differ by the batch
    assert not torch.allclose(together[:, 1], together[:, 2], atol=1e-3)


def test_fresh_views_are_new_each_epoch_and_the_same_for_a_seed(backbone, paths):
    one, again, next_epoch = (fresh_views(backbone, paths[:5], 0.08, 1, epoch) for epoch in (0, 0, 1))
    assert one.shape == (5, 1, 8)
    assert torch.equal(one, again) and not torch.allclose(one, next_epoch, atol=1e-3)


def test_encode_stream_yields_errors_in_their_place_and_continues(backbone, paths, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    items = list(encode_stream(backbone, [paths[0], bad, tmp_path / "none.png", paths[1]]))
    assert [isinstance(item, ImageError) for item in items] == [False, True, True, False]
    assert items[3].shape == (1, 8)


def test_image_features_count_unreadable_images_and_keep_the_others(backbone, paths, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    passes = count_encoded(backbone)
    advice = r"repair or remove them, or in train and evaluate, leave them out with --skip-unreadable\."
    with pytest.raises(DataError, match=rf"1 of 41 images cannot be read; {advice} 1\. bad\.png is not a PNG"):
        image_features(backbone, [*paths, bad])
    image_features(backbone, paths)
    assert sum(passes) == 40


def test_image_features_encode_the_images_of_a_damaged_shard_again(backbone, paths, tmp_path, monkeypatch):
    monkeypatch.setenv("VIP_CACHE", str(tmp_path / "own"))
    before = image_features(backbone, paths)
    (shard,) = (tmp_path / "own").rglob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:100])
    assert torch.equal(image_features(backbone, paths), before)


def test_image_features_are_encoded_anew_when_reader_or_transform_changes(backbone, paths, monkeypatch):
    passes = count_encoded(backbone)
    before = image_features(backbone, paths[:4], views=1)
    monkeypatch.setattr(features, "reader_version", lambda: "another")
    image_features(backbone, paths[:4], views=1)
    assert sum(passes) == 2 * 4 * 2
    monkeypatch.setattr(backbone.__class__, "train_transform", lambda self, least: FlippedAndPrepared(self.preprocess))
    after = image_features(backbone, paths[:4], views=1)
    assert sum(passes) == 3 * 4 * 2
    assert torch.equal(before[:, 0], after[:, 0]) and not torch.equal(before[:, 1], after[:, 1])


class FlippedAndPrepared:
    def __init__(self, prepare):
        self.prepare = prepare

    def __call__(self, image):
        return self.prepare(image).flip(-1)


def test_reader_version_names_the_libraries_that_make_the_pixels():
    version = reader_version()
    for name in ("torch ", "torchvision ", "pillow ", "pydicom "):
        assert name in version
    assert "pillow none" not in version


def test_readable_rows_leaves_out_unreadable_images_and_says_why(backbone, paths, tmp_path):
    bad = [tmp_path / f"bad{number}.png" for number in range(5)]
    for path in bad:
        path.write_text(f"not an image: {path.name}")
    rows = [Row(path, 0, path.stem) for path in (*paths[:3], *bad, *paths[3:5])]
    passes = count_encoded(backbone)
    kept, errors = readable_rows(backbone, rows)
    assert kept == [row for row in rows if row.path not in bad] and list(errors) == bad
    assert image_features(backbone, [row.path for row in kept]).shape[0] == 5 and sum(passes) == 5
    with pytest.raises(UnreadableImages, match=r"5 of 5 images .* 1\. bad0.* 2\. bad1.* 3\. bad2.* And 2 more\."):
        image_features(backbone, bad)


def rows_of(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    digests = [hashlib.sha256(f"{seed}/{number}".encode()).hexdigest() for number in range(count)]
    return dict(zip(digests, torch.randn(count, 2, 8, generator=generator), strict=True))


def test_feature_cache_reads_back_what_was_written(tmp_path):
    cache, one, other = FeatureCache(tmp_path), rows_of(20), rows_of(30, seed=1)
    cache.write(one), cache.write(other)
    for wanted in ([*one], [*other][:2], [*[*one][5:6], *other], ["00" * 32]):
        found = cache.read(wanted)
        assert found.keys() == set(wanted) & (one.keys() | other.keys())
        assert all(torch.equal(values, (one | other)[digest]) for digest, values in found.items())


def test_feature_cache_reads_no_more_than_the_images_asked_for(tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path)
    for seed in range(8):
        cache.write(rows_of(100, seed))
    read = []
    monkeypatch.setattr(feature_cache, "_checksum", lambda row, one=feature_cache._checksum: read.append(1) or one(row))
    assert len(cache.read([*rows_of(100)][7:8])) == 1 and len(read) == 1


def test_feature_cache_notices_a_flipped_bit(tmp_path):
    cache, rows = FeatureCache(tmp_path), rows_of(3)
    cache.write(rows)
    (shard,) = tmp_path.iterdir()
    data = bytearray(shard.read_bytes())
    place = data.index(rows[[*rows][1]].numpy().tobytes())
    data[place + 5] ^= 4
    shard.write_bytes(data)
    first, damaged, _ = rows
    assert cache.read([first]).keys() == {first}  # the features of this image are whole
    assert damaged not in cache.read(rows) and not shard.exists()


def test_image_features_of_a_large_set_are_a_mapped_file_with_the_same_values(backbone, paths, monkeypatch):
    plain = image_features(backbone, paths, views=2)
    monkeypatch.setattr(feature_cache, "MAPPED", 1000)
    mapped = image_features(backbone, [*paths, paths[3]], views=2)
    assert torch.equal(mapped[:-1], plain) and torch.equal(mapped[-1], plain[3])
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert ".features-" in maps.read_text()
        del mapped
        assert ".features-" not in maps.read_text()


def test_feature_cache_opens_no_shard_of_other_images(tmp_path, monkeypatch):
    cache, own, other = FeatureCache(tmp_path), rows_of(20), rows_of(30, seed=1)
    cache.write(other), cache.write(own)
    assert cache.read(own).keys() == own.keys()
    opened, plain = [], feature_cache.safe_open
    monkeypatch.setattr(feature_cache, "safe_open", lambda path, kind: opened.append(path) or plain(path, kind))
    assert cache.read(own).keys() == own.keys() and len(opened) == 1
