"""Stages 1 to 3: the text adapter, the image tower and the sentence encoder, trained to match."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vip_core.models.backbone import Backbone
from vip_core.pretraining.finetune_encoder import AdaptedEncoder, EncoderConfig, finetune_encoder
from vip_core.pretraining.image_tower import TowerConfig, tune_towers
from vip_core.pretraining.labels import LabelledImage, bank_sentences, label_targets, labelled_sentences, same_modality
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, dermoscopy_rows, pooled_features
from vip_core.pretraining.state import derived_dir
from vip_core.pretraining.teacher import SentenceEncoder, teach
from vip_core.pretraining.text_adapter import AdapterConfig, adapt, train_adapter


@dataclass(frozen=True)
class AlignConfig:
    """The three stages' configurations."""

    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    tower: TowerConfig = field(default_factory=TowerConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)

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
) -> AdaptedEncoder:
    """Train the text adapter, tune the image tower to it, and fine-tune the sentence encoder to both.

    The last step adds the negation pairs: what a negation does is a matter of text alone.

    Args:
        backbone: with an untuned image tower, which is tuned in place; its text tower is not used.
        images: N to train on.
        pixels: bytes (N, 3, H, W) of them.
        pooled: (N, V, C) features of V views of them by the untuned tower, before the projection.
        general: n general sentences and the sentence encoder's unit features (n, D) of them.
        teacher: the folder where its features of sentences are cached.
        folder: where the stages are saved; a later call resumes from them.
        config: of the stages.
    """
    visual: Any = backbone.clip.visual
    device, projection, bank = backbone.device, visual.head.proj, load_phrases()
    sentences = bank_sentences(bank)
    plain = teach([sentence.text for sentence in sentences], teacher, device)
    loss = SentenceLoss(label_targets(images, sentences), same_modality(images, sentences)).to(device)
    adapter = train_adapter(pooled, plain.float(), general[1], loss, projection, folder / "adapter.pt", config.adapter)

    text = adapt(adapter, plain).float().to(device)
    tune_towers(backbone, pixels, dermoscopy_rows(images), text, loss, folder, config.tower)

    sentences = labelled_sentences(bank, config.encoder.seed)
    wider = SentenceLoss(label_targets(images, sentences), same_modality(images, sentences)).to(device)
    wider.load_state_dict(loss.state_dict())
    kept = derived_dir(folder, "tuned", *sorted(folder.glob("tower*.pt")))
    tuned = pooled_features(backbone, images, pixels, VIEWS // 2, kept, config.encoder.seed)
    with torch.no_grad():
        seen = projection(tuned.to(device))
    encoder = SentenceEncoder(device)
    finetune_encoder(encoder, adapter, seen, sentences, bank, general, wider, folder / "encoder.pt", config.encoder)
    return AdaptedEncoder(encoder, adapter, derived_dir(folder, "finetuned", folder / "encoder.pt"))
