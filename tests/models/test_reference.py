"""The reference bank: percentiles, separation and the domain check, against brute force."""

import pytest
import torch
from torch.nn import functional as F

from vip_core.models.reference import PER_CLASS, ReferenceBank


@pytest.fixture
def bank():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(800, 8, generator=generator)
    labels = (torch.arange(800) % 4 == 0).long()  # 600 and 200
    features[labels == 1, 0] += 2
    held_out = torch.randn(200, 8, generator=generator)
    return ReferenceBank.build(features, labels, held_out, seed=1)


def test_build_keeps_at_most_300_per_class_normalised(bank):
    assert torch.bincount(bank.labels).tolist() == [PER_CLASS, 200]
    torch.testing.assert_close(bank.features.norm(dim=-1), torch.ones(500))


@pytest.mark.parametrize("count, flagged", [(34, 0), (35, 1), (102, 3), (200, 5)])
def test_build_flags_at_most_three_per_cent_of_the_held_out_images(count, flagged):
    torch.manual_seed(0)
    held_out = torch.randn(count, 6)
    bank = ReferenceBank.build(torch.randn(40, 6), torch.arange(40) % 2, held_out, seed=1)
    assert sum(not check.in_domain for check in bank.check(held_out)) == flagged


def test_check_passes_a_near_image_and_flags_its_opposite(bank):
    bank = ReferenceBank(F.normalize(torch.eye(8)[:1] + 0.01 * torch.randn(50, 8), dim=-1), bank.labels[:50], 0.1)
    near, far = bank.check(torch.stack([torch.eye(8)[0], -torch.eye(8)[0]]))
    assert near.in_domain and near.score < 0.01
    assert not far.in_domain and far.score == pytest.approx(2, abs=0.01)


def test_percentile_counts_the_reference_images_below(bank):
    text = torch.randn(3, 8)
    images = torch.randn(5, 8)
    similarity = F.normalize(images, dim=-1) @ F.normalize(text, dim=-1).T
    found = bank.percentile(text, similarity)
    known = bank.features @ F.normalize(text, dim=-1).T
    below, equal = known[None] < similarity[:, None], known[None] == similarity[:, None]
    expected = 100 * (below + 0.5 * equal).float().mean(1)
    torch.testing.assert_close(found, expected)


def test_percentile_of_a_tie_counts_half(bank):
    text = torch.randn(1, 8)
    own = bank.similarities(text)[:1]
    rank = (bank.similarities(text) < own).sum().item()
    assert bank.percentile(text, own).item() == pytest.approx(100 * (rank + 0.5) / 500)


def test_separation_is_high_along_the_class_and_mirrored_for_the_other(bank):
    text = torch.eye(8)[:1]
    (for_class,), (for_other,) = bank.separation(text, 1), bank.separation(text, 0)
    assert for_class > 0.9
    assert for_class + for_other == pytest.approx(1)


def test_distance_is_the_mean_over_the_five_nearest(bank):
    images = torch.randn(7, 8)
    expected = [sorted((1 - F.cosine_similarity(image[None], bank.features)).tolist())[:5] for image in images]
    assert bank.distance(images).tolist() == pytest.approx([sum(nearest) / 5 for nearest in expected], abs=1e-5)
    few = ReferenceBank(bank.features[:2], bank.labels[:2])
    expected = (1 - F.cosine_similarity(bank.features[:1], bank.features[:2])).mean().item()
    assert few.distance(bank.features[:1]).item() == pytest.approx(expected, abs=1e-5)
