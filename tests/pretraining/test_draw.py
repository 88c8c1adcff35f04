"""How images are drawn and weighed: each set its share, each side of a sentence a half."""

import pytest
import torch

from vip_core.pretraining.draw import REPEATS, ImageDraw
from vip_core.pretraining.kinds import DERMOSCOPY, XRAY
from vip_core.pretraining.labels import Sentence, verdicts
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.sets import PER_EPOCH, LabelledImage


def images(**counts: int) -> list[LabelledImage]:
    kinds = {"isic2017": DERMOSCOPY}
    return [
        LabelledImage(None, kinds.get(name, XRAY), {}, name) for name, count in counts.items() for _ in range(count)
    ]


def test_image_draw_takes_each_set_its_number_and_a_small_one_more_than_once():
    few, many = PER_EPOCH["chest_adult"] // 3, PER_EPOCH["isic2017"] * 2
    draw = ImageDraw(images(chest_adult=few, isic2017=many))
    rows = draw.epoch(torch.Generator().manual_seed(0))
    assert len(rows) == draw.per_epoch == PER_EPOCH["chest_adult"] + PER_EPOCH["isic2017"]
    counts = torch.bincount(rows, minlength=few + many)
    assert counts[:few].unique().tolist() in ([3], [3, 4]) and counts[few:].max() == 1
    assert counts[:few].sum() == PER_EPOCH["chest_adult"]
    assert (rows[:500] < few).any() and (rows[:500] >= few).any()  # mixed
    assert not torch.equal(rows, draw.epoch(torch.Generator().manual_seed(1)))
    assert ImageDraw(images(isic2017=7)).per_epoch == 7 * REPEATS


def test_image_draw_gives_the_mass_with_which_it_draws():
    draw = ImageDraw(images(chest_adult=400, isic2017=600))
    assert draw.mass.mean().item() == pytest.approx(1)
    drawn = draw.some(20000, torch.Generator().manual_seed(0))
    share = (drawn < 400).float().mean().item()
    assert share == pytest.approx(PER_EPOCH["chest_adult"] / draw.per_epoch, abs=0.02)
    assert draw.mass[:400].sum().item() / 1000 == pytest.approx(PER_EPOCH["chest_adult"] / draw.per_epoch)


def test_sentence_loss_gives_each_set_the_same_share_of_a_side():
    """Opacity of 30 children, 25 of them ill, and of 10 adults, 2 of them: nothing is gained by telling them apart."""
    labels = [("pneumonia", int(i < 25)) for i in range(30)] + [("chest_adult", int(i < 2)) for i in range(10)]
    known = [LabelledImage(None, XRAY, {"opacity": state}, name) for name, state in labels]
    draw = ImageDraw(known)
    verdict = verdicts(known, [Sentence("opacity", XRAY, "opacity")])
    loss = SentenceLoss(verdict.decided, verdict.own, verdict.profile, verdict.source, draw.mass)
    weight = (loss.weight[loss.profile, 0] * draw.mass).tolist()
    shares = {label: sum(w for w, each in zip(weight, labels, strict=True) if each == label) for label in set(labels)}
    assert len(shares) == 4 and all(share == pytest.approx(len(labels) / 4) for share in shares.values())


def test_sentence_loss_by_profiles_is_that_of_each_image():
    generator = torch.Generator().manual_seed(0)
    known = [LabelledImage(None, XRAY, {"opacity": i % 2, "adult": int(i > 8)}, "pneumonia") for i in range(12)]
    sentences = [Sentence("opacity", XRAY, "opacity"), Sentence("clear", XRAY, "opacity", 0), Sentence("a cat", None)]
    verdict = verdicts(known, sentences)
    assert len(verdict.decided) == 4
    by_profile = SentenceLoss(verdict.decided, verdict.own, verdict.profile, verdict.source)
    by_image = SentenceLoss(verdict.decided[verdict.profile], verdict.own[verdict.profile])
    features, text = torch.randn(12, 8, generator=generator), torch.randn(3, 8, generator=generator)
    values = [loss(features, text, torch.arange(12), torch.arange(3)).item() for loss in (by_profile, by_image)]
    assert values[0] == pytest.approx(values[1])
