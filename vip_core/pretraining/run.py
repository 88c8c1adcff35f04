"""How vip-mini is made: every stage in order, then measured."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F

from vip_core.errors import DataError
from vip_core.models.backbone import Backbone
from vip_core.pretraining.alignment import AlignConfig, align
from vip_core.pretraining.architecture import new_vip_mini, start_words, vip_mini_config, vocabulary
from vip_core.pretraining.corpus import read_corpus, variants
from vip_core.pretraining.distillation import DistillConfig, distill
from vip_core.pretraining.evaluation import Alignment, encode_texts, measure_alignment
from vip_core.pretraining.labels import heldout_texts, labelled_sentences, normalise
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, pooled_features, read_pixels
from vip_core.pretraining.sets import labelled_images, sets_in
from vip_core.pretraining.state import check_same_run
from vip_core.pretraining.tables import print_alignment
from vip_core.pretraining.teacher import DIMENSION, teach
from vip_core.utils.console import console
from vip_core.utils.device import best_device
from vip_core.utils.files import atomic_together, json_bytes, tensor_bytes, write_json

BANK_REPEATS = 4  # of the bank's own sentences among those that the text tower learns
TEXT_NORM = 36.0  # of a symptom's feature; see docs/vip-mini.md
LOGIT_SCALE = 12.0
UNSEEN = 600  # sentences by which the text tower is compared with the sentence encoder


def pretrain(
    root: Path,
    out: Path,
    seed: int = 1,
    image_size: int = 224,
    config: AlignConfig | None = None,
    distillation: DistillConfig | None = None,
) -> Backbone:
    """Make vip-mini and write it to `out`, with the state of each stage in `out`/work; returns it.

    Args:
        root: of the data; see `vip_core.pretraining.sets` and `vip_core.pretraining.corpus`.
        out: the folder to write.
        seed: of everything random.
        image_size: pixels a side that the image tower reads; a cell of its map is 32 of them.
        config: of stages 1 to 3; the recipe's where it is not given.
        distillation: of stage 4; the same.

    Raises:
        DataError: if data or the packages with the starting weights are missing.
        StorageError: if `out` cannot be written.
    """
    work, device = out / "work", best_device()
    images = labelled_images(root, "train")
    val_images, (corpus, _) = labelled_images(root, "val"), read_corpus(root)  # what is missing is reported now
    check_same_run(work / "run.json", root, images, seed, image_size)
    backbone = new_vip_mini(seed, image_size).to(device)

    words, general = (teach(texts, work / "teacher", device) for texts in (vocabulary(backbone), corpus))
    pixels = read_pixels(images, image_size)
    pooled = pooled_features(backbone, images, pixels, VIEWS, work / "pooled", seed)
    config = config or AlignConfig().seeded(seed)
    adapted = align(backbone, images, pixels, pooled, (corpus, general), work / "teacher", work, config, val_images)

    bank = load_phrases()
    phrases = [sentence.text for sentence in labelled_sentences(bank, seed)]
    never = heldout_texts(bank)
    texts = [*corpus, *(text for text in variants(phrases, seed) if normalise(text) not in never)]
    targets = torch.cat([adapted(texts), adapted(phrases).repeat(BANK_REPEATS, 1)])
    texts += phrases * BANK_REPEATS

    start_words(backbone, words)
    longest = backbone.context_length - 6  # four context vectors, [SOS] and [EOS]
    tokens = [backbone.prompt_tokens(text)[:longest] for text in texts]
    distill(backbone, tokens, targets, work / "text.pt", distillation or DistillConfig(seed=seed))

    text = encode_texts(backbone, phrases)
    _set_magnitudes(backbone, text)
    save_vip_mini(backbone, out)
    backbone = Backbone.load(f"local-dir:{out}").to(device)
    alignment = evaluate_backbone(backbone, root, "val")
    print_alignment(alignment)
    write_json(out / "figures.json", {"seed": seed, **alignment.to_dict()})
    console.print(f"Written to {out}.")
    return backbone


def evaluate_backbone(backbone: Backbone, root: Path, split: str) -> Alignment:
    """Measure a backbone's alignment on "val" or "test" and, where the sentence encoder is there, its text.

    Raises:
        DataError: if data are missing.
    """
    alignment = measure_alignment(backbone, labelled_images(root, split, sets_in(root)), split)
    try:
        alignment.text.update(_text_agreement(backbone, root))
    except DataError as error:
        console.print(f"Text is not compared with the sentence encoder: {error}")
    return alignment


def _text_agreement(backbone: Backbone, root: Path) -> dict[str, float]:
    """Agreement with the sentence encoder on sentences of the corpus that were kept out of training."""
    _, dev = read_corpus(root)
    texts = [text for text in dev if backbone.token_count(text) <= backbone.context_length][
        :: max(1, len(dev) // UNSEEN)
    ]
    with tempfile.TemporaryDirectory() as folder:
        theirs = teach(texts, Path(folder), backbone.device).float()
    ours = F.normalize(encode_texts(backbone, texts).cpu(), dim=-1)
    pairs = np.triu_indices(len(texts), 1)
    ranks, _ = spearmanr((ours @ ours.T).numpy()[pairs], (theirs @ theirs.T).numpy()[pairs])
    agreement = {"n": len(texts), "rank correlation of pairwise similarities": float(np.asarray(ranks))}
    if ours.shape[1] == DIMENSION:
        agreement["mean cosine"] = float((ours * theirs).sum(-1).mean())
    return agreement


def save_vip_mini(backbone: Backbone, folder: Path) -> None:
    """Write weights in float16 and configuration by open_clip's local-dir schema. Raises StorageError."""
    weights = {
        key: value.half() if value.is_floating_point() else value for key, value in backbone.clip.state_dict().items()
    }
    atomic_together(
        folder,
        {
            "open_clip_model.safetensors": tensor_bytes(weights),
            "open_clip_config.json": json_bytes(vip_mini_config(backbone.image_size[0])),
        },
    )


def _set_magnitudes(backbone: Backbone, text: torch.Tensor) -> None:
    """Give text features and logit scale magnitudes under which symptoms, not class tokens, carry the decision."""
    projection = backbone.clip.text_projection
    assert isinstance(projection, torch.Tensor)
    with torch.no_grad():
        projection.mul_(TEXT_NORM / text.norm(dim=-1).mean())
        backbone.clip.logit_scale.fill_(torch.tensor(LOGIT_SCALE).log())
