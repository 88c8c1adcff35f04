"""The learned half of the domain check, against brute force."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from vip_core.errors import CheckpointError
from vip_core.models.near_misses import KEYS, NearMisses
from vip_core.models.reference import ReferenceBank

KINDS = ("an adult's film", "a photograph")


@pytest.fixture
def learned():
    generator = torch.Generator().manual_seed(4)
    return NearMisses(torch.randn(3, 6, generator=generator), torch.randn(3, generator=generator), KINDS)


def test_log_odds_are_those_of_the_softmax(learned):
    images = 5 * torch.randn(20, 6)
    own = (F.normalize(images, dim=-1) @ learned.weight.T + learned.bias).softmax(-1)[:, 0]
    torch.testing.assert_close(learned.log_odds(images), own.logit(), rtol=1e-4, atol=1e-5)


def test_kind_found_is_that_of_the_highest_logit_but_the_first(learned):
    images = torch.randn(20, 6)
    logits = F.normalize(images, dim=-1) @ learned.weight.T + learned.bias
    assert replace(learned, limit=float("inf")).found_in(images) == [KINDS[int(a < b)] for _, a, b in logits.tolist()]
    assert replace(learned, limit=-float("inf")).found_in(images) == [None] * 20


def test_check_names_the_near_miss_and_only_where_it_is_flagged(learned):
    torch.manual_seed(1)
    images = torch.randn(200, 6)
    limit = float(learned.log_odds(images).median())
    bank = ReferenceBank(
        F.normalize(torch.randn(30, 6), dim=-1), torch.arange(30) % 2, 9.0, replace(learned, limit=limit)
    )
    checks = bank.check(images)
    assert [check.near_miss is not None for check in checks] == (learned.log_odds(images) < limit).tolist()
    assert sum(check.in_domain for check in checks) == 101  # the lower median is not below itself
    assert all(check.in_domain == (check.near_miss is None) for check in checks)
    flagged = next(check for check in checks if check.near_miss == KINDS[0])
    assert flagged.reason == "This image looks like an adult's film, not like the reference images."
    assert next(check for check in checks if check.in_domain).reason == ""


def test_check_flags_by_distance_too(learned):
    bank = ReferenceBank(torch.eye(6)[:1], torch.zeros(1).long(), 0.1, learned)  # its limit flags nothing
    near, far = bank.check(torch.stack([torch.eye(6)[0], -torch.eye(6)[0]]))
    assert near.in_domain and not far.in_domain and far.near_miss is None
    assert far.reason == "This image does not resemble the reference images."


@pytest.mark.parametrize("count, allowed", [(20, 0), (34, 1), (100, 3), (400, 12)])
def test_build_flags_at_most_three_per_cent_by_both_halves_together(learned, count, allowed):
    torch.manual_seed(count)
    held_out = torch.randn(count, 6)
    bank = ReferenceBank.build(torch.randn(60, 6), torch.arange(60) % 2, held_out, 1, learned)
    checks = bank.check(held_out)
    far = sum(check.score > check.threshold for check in checks)
    missed = sum(check.near_miss is not None for check in checks)
    assert far == missed, "both halves are as strict as each other"
    flagged = sum(not check.in_domain for check in checks)
    assert flagged <= allowed
    one_more = sorted(check.score for check in checks)[-far - 1]
    stricter = replace(
        bank,
        threshold=one_more - 1e-6,
        near_misses=replace(bank.near_misses, limit=float(learned.log_odds(held_out).sort().values[missed]) + 1e-6),
    )
    assert sum(not check.in_domain for check in stricter.check(held_out)) > allowed


def test_from_tensors_returns_what_was_stored(learned):
    found = NearMisses.from_tensors(learned.tensors, KINDS, -2.0, 6, Path("reference.safetensors"))
    assert torch.equal(found.weight, learned.weight) and torch.equal(found.bias, learned.bias)
    assert (found.kinds, found.limit) == (KINDS, -2.0)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({KEYS[0]: None}, "near_miss_weight missing"),
        ({KEYS[1]: torch.zeros(2)}, r"near_miss_bias of shape \(2,\); \(3,\) is needed for 2 kinds"),
        ({KEYS[0]: torch.full((3, 6), torch.nan)}, "not finite"),
        ({KEYS[1]: torch.zeros(3).long()}, "not finite"),
    ],
)
def test_from_tensors_refuses_tensors_of_another_check(learned, change, reason):
    tensors = {key: value for key, value in {**learned.tensors, **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=reason):
        NearMisses.from_tensors(tensors, KINDS, 0.0, 6, Path("reference.safetensors"))
