"""python -m vip_core.pretrain: make vip-mini, the embedded backbone, from public data; resumable at every stage."""

import hashlib
import json
from pathlib import Path

import torch
from rich.table import Table

from vip_core.backbone import Backbone
from vip_core.cli import Parser, at_least, run
from vip_core.console import console
from vip_core.device import best_device
from vip_core.errors import DataError
from vip_core.files import atomic_together, json_bytes, tensor_bytes, write_json
from vip_core.pretraining.corpus import FILES, read_corpus
from vip_core.pretraining.distill import DistillConfig, distill
from vip_core.pretraining.evaluation import sentence_aurocs, summarise
from vip_core.pretraining.joint import JointConfig, TaughtText, align_jointly
from vip_core.pretraining.labels import LabelledImage, bank_sentences, labelled_images, of_own_kind, right_or_wrong
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import image_features_of, pooled_features
from vip_core.pretraining.teacher import teach
from vip_core.pretraining.tower import TowerConfig, tune_tower
from vip_core.pretraining.towers import CONFIG, new_vip_mini

VIEWS = 4  # random ones of an image in the joint stage, beside the plain one
TEXT_NORM = 28.0  # of a symptom's feature; see docs/vip-mini.md
LOGIT_SCALE = 12.0


def main(argv: list[str]) -> int:
    """Parse the arguments and make the backbone. Returns 0."""
    parser = Parser("pretrain", "Make vip-mini, the embedded backbone, from public data. Resumable at every stage.")
    parser.add_argument(
        "--root", type=Path, required=True, help="the folder that holds pneumonia/, isic2017/ and text/"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/vip-mini"), help="the folder to write (default: %(default)s)"
    )
    parser.add_argument("--seed", type=at_least(0), default=1, help="of everything random (default: 1)")
    arguments = parser.parse_args(argv)
    pretrain(arguments.root, arguments.out, arguments.seed)
    return 0


def pretrain(root: Path, out: Path, seed: int = 1) -> Backbone:
    """Make vip-mini and write it to `out`, with the state of each stage in `out`/work; returns it.

    Raises:
        DataError: if data or the packages with the starting weights are missing.
        StorageError: if `out` cannot be written.
    """
    work, device = out / "work", best_device()
    images, val_images = labelled_images(root, "train"), labelled_images(root, "val")
    _same_run(work / "run.json", root, images, seed)
    backbone = new_vip_mini(seed).to(device)

    corpus, dev = read_corpus(root)
    dev = [text for text in dev if backbone.token_count(text) <= backbone.context_length]
    sentences = bank_sentences(load_phrases())
    phrases = [sentence.text for sentence in sentences]
    corpus_targets, bank_targets, dev_targets = (
        teach(texts, work / "teacher", device) for texts in (corpus, phrases, dev)
    )
    longest = backbone.context_length - 6  # four context vectors, [SOS] and [EOS]
    tokens = [backbone.prompt_tokens(text)[:longest] for text in corpus + phrases]
    distill(backbone, tokens, torch.cat([corpus_targets, bank_targets]), work / "text.pt", DistillConfig(seed=seed))
    agreement = {"text tower": _agreement(backbone, dev, dev_targets)}

    bank = TaughtText(tokens[len(corpus) :], bank_targets)
    loss = SentenceLoss(right_or_wrong(images, sentences), of_own_kind(images, sentences)).to(device)
    pooled = pooled_features(backbone, images, VIEWS, work / "pooled", seed)
    kept = TaughtText(tokens[: len(corpus)], corpus_targets)
    align_jointly(backbone, pooled, bank, kept, loss, work / "joint.pt", JointConfig(seed=seed))
    agreement["joint"] = _agreement(backbone, dev, dev_targets)
    figures = {"joint": _held_out(backbone, val_images)}

    text = encode_texts(backbone, phrases)
    tune_tower(backbone, images, text, loss, work / "tower.pt", TowerConfig(seed=seed))
    figures["tower"] = _held_out(backbone, val_images)
    _print(figures)

    _set_magnitudes(backbone, text)
    save_backbone(backbone, out)
    write_json(out / "figures.json", {"cosine with the sentence encoder, unseen sentences": agreement, **figures})
    console.print(f"Written to {out}.")
    return Backbone.load(f"local-dir:{out}")


def _same_run(path: Path, root: Path, images: list[LabelledImage], seed: int) -> None:
    """Tie the states of the stages to a seed and to data. Raises DataError where they are another run's."""
    listed = [f"{image.path.name} {sorted(image.findings.items())}" for image in images]
    texts = [(root / "text" / name).stat().st_size for name in FILES if (root / "text" / name).is_file()]
    digest = hashlib.sha256(repr((listed, texts, bank_sentences(load_phrases()))).encode()).hexdigest()
    run = {"seed": seed, "data": digest}
    if path.is_file() and json.loads(path.read_text()) != run:
        raise DataError(f"{path.parent} holds the stages of another seed or of other data; give another --out.")
    write_json(path, run)


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Write weights in float16 and configuration by open_clip's local-dir schema. Raises StorageError."""
    weights = {
        key: value.half() if value.is_floating_point() else value for key, value in backbone.clip.state_dict().items()
    }
    atomic_together(
        folder, {"open_clip_model.safetensors": tensor_bytes(weights), "open_clip_config.json": json_bytes(CONFIG)}
    )


@torch.inference_mode()
def encode_texts(backbone: Backbone, texts: list[str], batch_size: int = 256) -> torch.Tensor:
    """Text features (n, D) of n plain sentences."""
    return torch.cat([backbone.encode_prompts(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)])


def _agreement(backbone: Backbone, texts: list[str], targets: torch.Tensor) -> float:
    features = encode_texts(backbone, texts).cpu()
    return float(torch.nn.functional.cosine_similarity(features, targets.float(), dim=-1).mean())


def _held_out(backbone: Backbone, images: list[LabelledImage]) -> dict[str, float]:
    """Mean AUROC a finding on validation images, for wordings that were never trained on."""
    sentences = bank_sentences(load_phrases(), held_out=True)
    # Across kinds of image a finding is too easily told for it to say anything.
    decided = right_or_wrong(images, sentences) * of_own_kind(images, sentences)
    text = encode_texts(backbone, [sentence.text for sentence in sentences]).cpu()
    return summarise(sentences, sentence_aurocs(image_features_of(backbone, images), text, decided))


def _set_magnitudes(backbone: Backbone, text: torch.Tensor) -> None:
    """Give text features and logit scale magnitudes under which symptoms, not class tokens, carry the decision."""
    with torch.no_grad():
        backbone.clip.text_projection.mul_(TEXT_NORM / text.norm(dim=-1).mean())
        backbone.clip.logit_scale.fill_(torch.tensor(LOGIT_SCALE).log())


def _print(figures: dict[str, dict[str, float]]) -> None:
    table = Table(title="AUROC on validation images, mean over wordings never trained on", title_justify="left")
    table.add_column("finding")
    for stage in figures:
        table.add_column(stage, justify="right")
    for name in next(iter(figures.values())):
        table.add_row(name, *(f"{values[name]:.3f}" for values in figures.values()))
    console.print(table)


if __name__ == "__main__":
    run(main)
