"""python -m vip_core.pretrain: make vip-mini, the embedded backbone, from public data; resumable at every stage."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from scipy.stats import spearmanr
from torch.nn import functional as F

from vip_core.cli import Parser, at_least, run
from vip_core.errors import DataError
from vip_core.models.backbone import EMBEDDED, Backbone
from vip_core.pretraining.alignment import AlignConfig, align
from vip_core.pretraining.architecture import CONFIG, new_vip_mini, start_words, vocabulary
from vip_core.pretraining.corpus import read_corpus, variants
from vip_core.pretraining.distillation import DistillConfig, distill
from vip_core.pretraining.evaluation import Alignment, Ranking, Value, encode_texts, measure_alignment
from vip_core.pretraining.folds import cross_validate
from vip_core.pretraining.labels import heldout_texts, labelled_images, labelled_sentences, normalise
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, pooled_features, read_pixels
from vip_core.pretraining.state import check_same_run
from vip_core.pretraining.teacher import DIMENSION, teach
from vip_core.utils.console import console
from vip_core.utils.device import best_device
from vip_core.utils.files import atomic_together, json_bytes, tensor_bytes, write_json

BANK_REPEATS = 4  # of the bank's own sentences among those that the text tower learns
TEXT_NORM = 36.0  # of a symptom's feature; see docs/vip-mini.md
LOGIT_SCALE = 12.0
UNSEEN = 600  # sentences by which the text tower is compared with the sentence encoder


def main(argv: list[str]) -> int:
    """Parse the arguments and make the backbone, or measure one. Returns 0."""
    parser = Parser("pretrain", "Make vip-mini, the embedded backbone, from public data. Resumable at every stage.")
    parser.add_argument(
        "--root", type=Path, required=True, help="the folder that holds pneumonia/, isic2017/ and text/"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/vip-mini"), help="the folder to write (default: %(default)s)"
    )
    parser.add_argument("--seed", type=at_least(0), default=1, help="of everything random (default: 1)")
    parser.add_argument("--evaluate", action="store_true", help="measure a backbone's alignment, and make none")
    parser.add_argument(
        "--folds", type=at_least(2), help="cross-validate the recipe inside the dermoscopy training images, no more"
    )
    parser.add_argument("--backbone", default=EMBEDDED, help="the one to measure (default: %(default)s)")
    parser.add_argument("--pretrained", help="its weights, as open_clip names them")
    parser.add_argument(
        "--split", choices=("val", "test"), default="val", help="what to measure on; look at test once (default: val)"
    )
    parser.add_argument("--json", action="store_true", help="the measured figures as JSON on standard output")
    arguments = parser.parse_args(argv)
    if arguments.folds:
        rankings = cross_validate(arguments.root, arguments.out / "work", arguments.folds, arguments.seed)
        write_json(arguments.out / "folds.json", {name: ranking.to_dict() for name, ranking in rankings.items()})
        title = f"AUROC by {arguments.folds}-fold cross-validation, mean over phrasings never trained on"
        console.print(rankings_table(title, rankings))
        return 0
    if not arguments.evaluate:
        pretrain(arguments.root, arguments.out, arguments.seed)
        return 0
    alignment = evaluate(
        Backbone.load(arguments.backbone, arguments.pretrained).to(best_device()), arguments.root, arguments.split
    )
    if arguments.json:
        print(json.dumps(alignment.to_dict()))
    else:
        print_alignment(alignment)
    return 0


def pretrain(root: Path, out: Path, seed: int = 1) -> Backbone:
    """Make vip-mini and write it to `out`, with the state of each stage in `out`/work; returns it.

    Raises:
        DataError: if data or the packages with the starting weights are missing.
        StorageError: if `out` cannot be written.
    """
    work, device = out / "work", best_device()
    images = labelled_images(root, "train")
    labelled_images(root, "val")  # what is missing is said now, not after hours
    check_same_run(work / "run.json", root, images, seed)
    backbone = new_vip_mini(seed).to(device)

    corpus, _ = read_corpus(root)
    words, general = (teach(texts, work / "teacher", device) for texts in (vocabulary(backbone), corpus))
    pixels = read_pixels(images)
    pooled = pooled_features(backbone, images, pixels, VIEWS, work / "pooled", seed)
    config = AlignConfig().seeded(seed)
    adapted = align(backbone, images, pixels, pooled, (corpus, general), work / "teacher", work, config)

    bank = load_phrases()
    phrases = [sentence.text for sentence in labelled_sentences(bank, seed)]
    never = heldout_texts(bank)
    texts = [*corpus, *(text for text in variants(phrases, seed) if normalise(text) not in never)]
    targets = torch.cat([adapted(texts), adapted(phrases).repeat(BANK_REPEATS, 1)])
    texts += phrases * BANK_REPEATS

    start_words(backbone, words)
    longest = backbone.context_length - 6  # four context vectors, [SOS] and [EOS]
    tokens = [backbone.prompt_tokens(text)[:longest] for text in texts]
    distill(backbone, tokens, targets, work / "text.pt", DistillConfig(seed=seed))

    text = encode_texts(backbone, phrases)
    _set_magnitudes(backbone, text)
    save_backbone(backbone, out)
    backbone = Backbone.load(f"local-dir:{out}").to(device)
    alignment = evaluate(backbone, root, "val")
    print_alignment(alignment)
    write_json(out / "figures.json", {"seed": seed, **alignment.to_dict()})
    console.print(f"Written to {out}.")
    return backbone


def evaluate(backbone: Backbone, root: Path, split: str) -> Alignment:
    """Measure a backbone's alignment on "val" or "test" and, where the sentence encoder is there, its text.

    Raises:
        DataError: if data are missing.
    """
    alignment = measure_alignment(backbone, labelled_images(root, split), split)
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
    ranks = spearmanr((ours @ ours.T).numpy()[pairs], (theirs @ theirs.T).numpy()[pairs]).statistic
    agreement = {"n": len(texts), "rank correlation of pairwise similarities": float(ranks)}
    if ours.shape[1] == DIMENSION:
        agreement["mean cosine"] = float((ours * theirs).sum(-1).mean())
    return agreement


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Write weights in float16 and configuration by open_clip's local-dir schema. Raises StorageError."""
    weights = {
        key: value.half() if value.is_floating_point() else value for key, value in backbone.clip.state_dict().items()
    }
    atomic_together(
        folder, {"open_clip_model.safetensors": tensor_bytes(weights), "open_clip_config.json": json_bytes(CONFIG)}
    )


def _set_magnitudes(backbone: Backbone, text: torch.Tensor) -> None:
    """Give text features and logit scale magnitudes under which symptoms, not class tokens, carry the decision."""
    with torch.no_grad():
        backbone.clip.text_projection.mul_(TEXT_NORM / text.norm(dim=-1).mean())
        backbone.clip.logit_scale.fill_(torch.tensor(LOGIT_SCALE).log())


def rankings_table(title: str, rankings: Mapping[str, Ranking]) -> Table:
    """A row for each comparison."""
    table = Table(title=title, title_justify="left")
    for name in (
        "comparison",
        "n",
        "affirmative phrasings",
        "negated phrasings",
        "lay phrasings",
        "inverted (AUROC < .5)",
    ):
        table.add_column(name)
    for name, ranking in rankings.items():
        values = (_said(value) for value in (ranking.present, ranking.absent, ranking.lay))
        table.add_row(name, f"{ranking.positives} / {ranking.negatives}", *values, str(len(ranking.inverted)))
    return table


def print_alignment(alignment: Alignment) -> None:
    """The figures as tables."""
    images = " and ".join(f"{count} {kind}s" for kind, count in alignment.images.items())
    title = f"AUROC on the {alignment.split} split ({images}), mean over phrasings never trained on"
    table = rankings_table(title, alignment.rankings)
    for word, value in alignment.words.items():
        table.add_row(f"“{word}”", "", _said(value))
    console.print(table)
    console.print(f"Attributes, mean of the five: {alignment.attributes:.3f}")
    table = Table(title="Spearman correlation over images", title_justify="left")
    for name in ("finding", "affirmative phrasings", "negated phrasings", "affirmative with negated"):
        table.add_column(name)
    for finding, value in alignment.negation.items():
        same = (f"{alignment.paraphrases[f'{finding} {side}']:.2f}" for side in ("present", "absent"))
        table.add_row(finding.replace("_", " "), *same, f"{value:.2f}")
    console.print(table)
    console.print(f"Paraphrases, median: {alignment.median_paraphrase:.3f}")
    for kind, share in alignment.modality.items():
        console.print(f"{kind}s whose own modality ranks first: {share:.1%}")
    for name, value in alignment.text.items():
        console.print(f"Text against the sentence encoder, {name}: {value:.3g}")


def _said(value: Value | None) -> str:
    return "" if value is None else f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"


if __name__ == "__main__":
    run(main)
