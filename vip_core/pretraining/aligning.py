"""Stages 1 to 3: what sentences mean and the image tower, made for each other."""

from pathlib import Path

import torch
from torch import Tensor

from vip_core.backbone import Backbone
from vip_core.pretraining.labels import LabelledImage, bank_sentences, hedged_sentences, of_own_kind, right_or_wrong
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.meaning import Meaning, MeaningConfig, bend, bend_again, meant
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, pooled_features, skin_rows
from vip_core.pretraining.teacher import teach
from vip_core.pretraining.tower import TowerConfig, tune_tower


def align(
    backbone: Backbone,
    images: list[LabelledImage],
    pixels: Tensor,
    pooled: Tensor,
    general: Tensor,
    teacher: Path,
    folder: Path,
    meaning_config: MeaningConfig,
    tower_config: TowerConfig,
) -> Meaning:
    """Bend what the sentences of the bank mean, tune the image tower to it, and bend it once more to the tuned tower.

    The last step takes hedged sentences in: what a hedge does to a noun is a matter of text alone.

    Args:
        backbone: with an untuned image tower, which is tuned in place; its text tower is not used.
        images: N to train on.
        pixels: bytes (N, 3, H, W) of them.
        pooled: (N, V, C) features of V views of them by the untuned tower, before the projection.
        general: unit features (n, D) of general sentences by the sentence encoder.
        teacher: the folder where its features of sentences are kept.
        folder: where the stages are kept; a later call goes on from there.
        meaning_config: of the first and the last step.
        tower_config: of the second.
    """
    device, projection = backbone.device, backbone.clip.visual.head.proj
    sentences = bank_sentences(load_phrases())
    bank = teach([sentence.text for sentence in sentences], teacher, device)
    loss = SentenceLoss(right_or_wrong(images, sentences), of_own_kind(images, sentences)).to(device)
    meaning = bend(pooled, bank.float(), general, loss, projection, folder / "meaning.pt", meaning_config)

    text = meant(meaning, bank).float().to(device)
    tune_tower(backbone, pixels, skin_rows(images), text, loss, folder / "tower.pt", tower_config)

    hedged = hedged_sentences(load_phrases(), meaning_config.seed)
    sentences = sentences + hedged
    bank = torch.cat([bank, teach([sentence.text for sentence in hedged], teacher, device)])
    wider = SentenceLoss(right_or_wrong(images, sentences), of_own_kind(images, sentences)).to(device)
    wider.load_state_dict(loss.state_dict())
    tuned = pooled_features(backbone, images, pixels, VIEWS // 2, folder / "tuned", meaning_config.seed)
    with torch.no_grad():
        seen = projection(tuned.to(device))
    return bend_again(meaning, seen, bank.float(), general, wider, folder / "meaning_again.pt", meaning_config)
