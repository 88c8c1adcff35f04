"""Stages 1 to 3: the text adapter, the image tower and the sentence encoder, trained to match."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vip_core.models.backbone import Backbone
from vip_core.pretraining.draw import ImageDraw
from vip_core.pretraining.finetune_encoder import AdaptedEncoder, EncoderConfig, finetune_encoder
from vip_core.pretraining.image_tower import TowerConfig, tune_towers
from vip_core.pretraining.interpolation import InterpolationConfig, Validation, interpolate
from vip_core.pretraining.labels import Sentence, bank_sentences, labelled_sentences, verdicts
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, image_kinds, pooled_features, read_pixels
from vip_core.pretraining.sets import LabelledImage
from vip_core.pretraining.state import derived_dir
from vip_core.pretraining.teacher import SentenceEncoder, teach
from vip_core.pretraining.text_adapter import AdapterConfig, adapt, train_adapter


@dataclass(frozen=True)
class AlignConfig:
    """The configurations of the stages, and of what is between the second and the third."""

    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    tower: TowerConfig = field(default_factory=TowerConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    interpolation: InterpolationConfig = field(default_factory=InterpolationConfig)

    def seeded(self, seed: int) -> "AlignConfig":
        """The same with another seed."""
        seeded = {name: replace(getattr(self, name), seed=seed) for name in ("adapter", "tower", "encoder")}
        return replace(self, **seeded)


def align(
    backbone: Backbone,
    images: list[LabelledImage],
    pixels: Tensor,
    pooled: Tensor,
    general: tuple[Sequence[str], Tensor],
    teacher: Path,
    folder: Path,
    config: AlignConfig,
    val_images: Sequence[LabelledImage] = (),
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
        val_images: to decide by how far the tower is tuned; without any, it is as tuned.
    """
    visual: Any = backbone.clip.visual
    device, projection, bank, draw = backbone.device, visual.head.proj, load_phrases(), ImageDraw(images)
    sentences = bank_sentences(bank)
    plain = teach([sentence.text for sentence in sentences], teacher, device)
    loss = _loss(images, sentences, draw).to(device)
    states = folder / "adapter.pt", folder / "encoder.pt"
    adapter = train_adapter(pooled, plain.float(), general[1], loss, projection, states[0], config.adapter, draw)

    text = adapt(adapter, plain).float().to(device)
    start = {key: value.clone() for key, value in visual.state_dict().items()}
    tune_towers(backbone, pixels, image_kinds(images), text, loss, draw, folder, config.tower)
    made = sorted(folder.glob("tower*.pt"))
    if val_images:
        chosen = config.interpolation.chosen(val_images)
        validation = Validation(chosen, read_pixels(chosen, backbone.image_size[0]), sentences, text.cpu())
        made.append(folder / "interpolation.json")
        interpolate(backbone, start, validation, made[-1], config.interpolation)

    sentences = labelled_sentences(bank, config.encoder.seed)
    wider = _loss(images, sentences, draw).to(device)
    wider.load_state_dict(loss.state_dict())
    kept = derived_dir(folder, "tuned", *made)
    tuned = pooled_features(backbone, images, pixels, VIEWS // 2, kept, config.encoder.seed)
    with torch.no_grad():
        seen = projection(tuned.to(device))
    encoder = SentenceEncoder(device)
    finetune_encoder(encoder, adapter, seen, sentences, bank, general, wider, states[1], config.encoder, draw)
    return AdaptedEncoder(encoder, adapter, derived_dir(folder, "finetuned", states[1]))


def _loss(images: list[LabelledImage], sentences: list[Sentence], draw: ImageDraw) -> SentenceLoss:
    known = verdicts(images, sentences)
    return SentenceLoss(known.decided, known.own, known.profile, known.source, draw.mass)
