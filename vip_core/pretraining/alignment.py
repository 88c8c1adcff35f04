"""Stages 1 to 3: what sentences mean and the image tower, made for each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from vip_core.models.backbone import Backbone
from vip_core.pretraining.adapter import MeaningConfig, bend, meant
from vip_core.pretraining.encoder import HearingConfig, Understanding, learn_to_hear
from vip_core.pretraining.image_tower import TowerConfig, tune_towers
from vip_core.pretraining.labels import LabelledImage, bank_sentences, labelled_sentences, of_own_kind, right_or_wrong
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, pooled_features, skin_rows
from vip_core.pretraining.state import made_from
from vip_core.pretraining.teacher import SentenceEncoder, teach


@dataclass(frozen=True)
class AlignConfig:
    """The three stages' configurations."""

    meaning: MeaningConfig = field(default_factory=MeaningConfig)
    tower: TowerConfig = field(default_factory=TowerConfig)
    hearing: HearingConfig = field(default_factory=HearingConfig)

    def seeded(self, seed: int) -> "AlignConfig":
        """The same with another seed."""
        return AlignConfig(**{name: replace(stage, seed=seed) for name, stage in vars(self).items()})


def align(
    backbone: Backbone,
    images: list[LabelledImage],
    pixels: Tensor,
    pooled: Tensor,
    general: tuple[Sequence[str], Tensor],
    teacher: Path,
    folder: Path,
    config: AlignConfig,
) -> Understanding:
    """Bend what the sentences of the bank mean, tune the image tower to it, and train the sentence encoder to both.

    The last step takes in sentences that a small word turns round: what such a word does is a matter of text alone.

    Args:
        backbone: with an untuned image tower, which is tuned in place; its text tower is not used.
        images: N to train on.
        pixels: bytes (N, 3, H, W) of them.
        pooled: (N, V, C) features of V views of them by the untuned tower, before the projection.
        general: n general sentences and the sentence encoder's unit features (n, D) of them.
        teacher: the folder where its features of sentences are kept.
        folder: where the stages are kept; a later call goes on from there.
        config: of the stages.
    """
    device, projection, bank = backbone.device, backbone.clip.visual.head.proj, load_phrases()
    sentences = bank_sentences(bank)
    plain = teach([sentence.text for sentence in sentences], teacher, device)
    loss = SentenceLoss(right_or_wrong(images, sentences), of_own_kind(images, sentences)).to(device)
    meaning = bend(pooled, plain.float(), general[1], loss, projection, folder / "meaning.pt", config.meaning)

    text = meant(meaning, plain).float().to(device)
    tune_towers(backbone, pixels, skin_rows(images), text, loss, folder, config.tower)

    sentences = labelled_sentences(bank, config.hearing.seed)
    wider = SentenceLoss(right_or_wrong(images, sentences), of_own_kind(images, sentences)).to(device)
    wider.load_state_dict(loss.state_dict())
    kept = made_from(folder, "tuned", *sorted(folder.glob("tower*.pt")))
    tuned = pooled_features(backbone, images, pixels, VIEWS // 2, kept, config.hearing.seed)
    with torch.no_grad():
        seen = projection(tuned.to(device))
    encoder = SentenceEncoder(device)
    learn_to_hear(encoder, meaning, seen, sentences, bank, general, wider, folder / "hearing.pt", config.hearing)
    return Understanding(encoder, meaning, made_from(folder, "heard", folder / "hearing.pt"))
