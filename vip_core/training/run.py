"""A whole run: prepare, fit, calibrate, measure, write the checkpoint. It prints nothing but progress bars."""

import datetime
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from vip_core import __version__
from vip_core.data.features import FeatureSplit, encode_split, fresh_views, image_features
from vip_core.data.options import DataOptions, NearMissOptions
from vip_core.data.split_file import write_splits
from vip_core.errors import CheckpointError
from vip_core.evaluation.calibration import fit_temperature, too_small_to_fit
from vip_core.evaluation.domain import domain_check_counts
from vip_core.evaluation.meaning import Meaning, measure_meaning
from vip_core.evaluation.measure import Evaluation, measure
from vip_core.evaluation.probe import fit_probe
from vip_core.evaluation.thresholds import fit_threshold
from vip_core.models.backbone import Backbone
from vip_core.models.card import AdapterInfo, BackboneInfo, Card, ContextInfo, ContrastInfo, Learning, NearMissInfo
from vip_core.models.near_misses import NearMisses
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP, predict
from vip_core.training.config import TrainConfig
from vip_core.training.loop import train_prompts
from vip_core.training.near_misses import NearMissFeatures, encode_near_misses, fit_near_misses
from vip_core.training.outcome import describe_learning
from vip_core.training.preparation import Run, prepare
from vip_core.training.state import STATE, TrainingState, check_same_run
from vip_core.utils.distributed import agreed, is_main, joined, wait_for_all
from vip_core.utils.lock import locked


@dataclass(frozen=True)
class Fitted:
    """What training leaves beside the trained model.

    Attributes:
        state: the kept epoch and the history.
        reference: (n, D) features of the training images, without augmentation.
        labels: (n,) of the training images.
        val: features and labels of the validation images.
        before: what the symptoms meant as initialised.
        seconds: spent before the first epoch, on reading and encoding images.
        held: features and labels of the images for the reference bank alone; None where it is drawn from `reference`.
        near_misses: features of images for the domain check to learn, and to count; None where distance decides alone.
    """

    state: TrainingState
    reference: Tensor
    labels: Tensor
    val: FeatureSplit
    before: Meaning
    seconds: float
    held: FeatureSplit | None = None
    near_misses: NearMissFeatures | None = None


def train(
    config: TrainConfig,
    out: str | Path | None = None,
    resume: bool = False,
    test: bool = True,
    ood_images: Sequence[Path] = (),
    options: DataOptions | None = None,
    near_misses: NearMissOptions | None = None,
) -> ViP:
    """Train the prompts, measure them and write a checkpoint. Returns the trained model; its `card` has the figures.

    Args:
        config: every value of the run.
        out: the folder to write; None: `config.default_out`.
        resume: continue the run that `out` contains. A finished one is loaded and returned as it is.
        test: measure the test split, once, at the end.
        ood_images: folders of images that the domain check should flag, counted in the card.
        options: how a user's own images are read.
        near_misses: images that the domain check learns to flag.

    Under torchrun, the processes divide the images of --views 0 among them; the result is that of one process.

    Raises:
        ViPError: for anything that the caller can correct; finished work is kept.
    """
    out, started = Path(out or config.default_out), time.monotonic()
    with joined():
        finished = agreed(is_finished(out))
        if not resume and agreed((out / STATE).is_file() or finished):
            raise CheckpointError(f"{out} already contains a run. Use --resume to continue it or choose another --out.")
        run = prepare(config, out, ood_images, options, near_misses)
        if finished:
            if (out / STATE).is_file():
                check_same_run(out / STATE, run.vip, config, run.images)
            return ViP.from_pretrained(out, run.vip.backbone)
        with locked(out) if is_main() else nullcontext():
            return _complete(run, test, started)


def _complete(run: Run, test: bool, started: float) -> ViP:
    """Train, calibrate, measure and save what `prepare` made ready."""
    config, out = run.config, run.out
    fitted = fit(run, started)
    threshold = calibrate(run, fitted)
    splits = {"val": fitted.val}
    metrics = {"val": measure(run.vip, fitted.val, run.val, config.seed, threshold)}
    if test and run.data.test:
        splits["test"] = encode_split(run.vip.backbone, run.data.test, "Test images")
        metrics["test"] = measure(run.vip, splits["test"], run.data.test, config.seed, threshold)
    probe = fit_probe(FeatureSplit(fitted.reference, fitted.labels), splits)
    after = measure_meaning(run.vip, fitted.val.features, run.val)
    learning = describe_learning(fitted.state, config, metrics["val"], probe, fitted.before, after)
    run.vip.card = make_card(run, fitted, threshold, metrics, learning, started)
    if is_main():
        write_splits(out, {"train": run.train, "val": run.val, "test": run.data.test}, run.data.classes)
        run.vip.save_pretrained(out)
    wait_for_all()
    return ViP.from_pretrained(out, run.vip.backbone)


def is_finished(out: Path) -> bool:
    """True if the folder contains a finished run."""
    return (out / "card.json").is_file()


def fit(run: Run, started: float) -> Fitted:
    """Encode the images and train the prompts in place. Raises DataError, CheckpointError or StorageError."""
    backbone, config = run.vip.backbone, run.config
    labels = torch.tensor([row.label for row in run.train])
    val = encode_split(backbone, run.val, "Validation images")
    reference, views = _training_views(backbone, [row.path for row in run.train], config)
    if config.class_weights:
        run.vip.class_weights = balanced_weights(labels, len(run.vip.symptoms.classes))
    run.vip.prepare(reference[:, None], labels)
    before = measure_meaning(run.vip, val.features, run.val)
    held = encode_split(backbone, run.reference, "Reference images") if run.reference else None
    missed = run.near_misses and encode_near_misses(backbone, run.near_misses, run.train, run.val, config.seed)
    seconds = time.monotonic() - started
    select = too_small_to_fit(val.labels, run.vip.symptoms.classes) is None
    state = train_prompts(run.vip, views, labels, val, config, run.out / STATE, run.images, select)
    return Fitted(state, reference, labels, val, before, seconds, held, missed)


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights (C,) under which every class counts alike: n / (C n_c). A class without images has the weight 0."""
    counts = torch.bincount(labels, minlength=classes)  # (C,)
    return torch.where(counts > 0, len(labels) / (classes * counts.clamp(min=1)), 0.0)


def calibrate(run: Run, fitted: Fitted) -> float | None:
    """Give the model its temperature and reference bank. Returns the threshold of the second of two classes, or None.

    Temperature, threshold and the domain check's limit are all fitted on validation images, which training never saw.
    Where these are too few (`too_small_to_fit`), the temperature stays 1 and there is no threshold.
    """
    vip, config, val = run.vip, run.config, fitted.val
    known = fitted.held or FeatureSplit(fitted.reference, fitted.labels)
    learned = fitted.near_misses and fit_near_misses(fitted.reference, fitted.near_misses.taught)
    vip.reference = ReferenceBank.build(known.features, known.labels, val.features, config.seed, learned)
    if too_small_to_fit(val.labels, vip.symptoms.classes):
        return None
    vip.temperature = fit_temperature(predict(vip, val.features), val.labels)
    if len(vip.symptoms.classes) != 2:
        return None
    probabilities = (predict(vip, val.features) / vip.temperature).softmax(-1)  # (n, 2)
    return fit_threshold(probabilities, val.labels, run.positive, config.sensitivity)


def make_card(
    run: Run,
    fitted: Fitted,
    threshold: float | None,
    metrics: dict[str, Evaluation],
    learning: Learning,
    started: float,
) -> Card:
    """The card of the trained model.

    Args:
        run: with the calibrated model.
        fitted: what training left.
        threshold: see `calibrate`.
        metrics: by split.
        learning: what the run did.
        started: when the run started, on the monotonic clock.

    Raises:
        DataError: if one of the out-of-distribution images cannot be read.
    """
    vip, config, data = run.vip, run.config, run.data
    assert vip.reference is not None
    missed, learned = fitted.near_misses, vip.reference.near_misses
    domain_check = domain_check_counts(vip, run.ood_images, missed and missed.counted)
    splits = {"train": run.train, "val": data.val, "test": data.test}
    counts = {
        name: dict(Counter(data.classes[row.label] for row in rows).most_common()) for name, rows in splits.items()
    }
    settings = {key: value for key, value in asdict(config).items() if key not in ("data", "root", "symptoms")}
    history = [
        {"loss": round(loss, 5), "val_accuracy": round(accuracy, 5), "val_loss": round(val_loss, 5)}
        for loss, accuracy, val_loss in fitted.state.history
    ]
    too_small = too_small_to_fit(fitted.val.labels, data.classes)
    settings |= {} if too_small is None else {"not_fitted": too_small}
    bank = Counter(data.classes[label] for label in vip.reference.labels.tolist())
    reference = {"images": dict(bank.most_common()), "held_out": fitted.held is not None}
    known = {"name": data.name, "images": counts, "reference": reference}
    if run.near_duplicates is not None:  # their number alone: file names may name patients, and a card is passed on
        known["near_duplicates"] = len(run.near_duplicates)
    seconds = {"features": round(fitted.seconds, 1), "total": round(time.monotonic() - started, 1)}
    return Card(
        backbone=BackboneInfo(
            name=vip.backbone.name, pretrained=vip.backbone.pretrained, fingerprint=vip.backbone.fingerprint
        ),
        classes=list(data.classes),
        symptoms=vip.symptoms.to_dict(),
        context=ContextInfo(length=vip.context_prompt.vectors.shape[-2], per_class=config.class_context),
        temperature=vip.temperature,
        domain_threshold=vip.reference.threshold,
        training={**settings, "kept_epoch": fitted.state.best_epoch, "seconds": seconds, "history": history},
        data=known,
        figures={name: result.to_dict() for name, result in metrics.items()},
        date=datetime.date.today().isoformat(),
        version=__version__,
        threshold=threshold,
        guard=domain_check,
        near_misses=missed and learned and _described(learned, missed),
        contrast=vip.backbone.contrast and ContrastInfo(**asdict(vip.backbone.contrast)),
        method=config.method,
        adapter=AdapterInfo(rank=config.rank) if config.rank else None,
        learning=learning,
    )


def _described(learned: NearMisses, images: NearMissFeatures) -> NearMissInfo:
    counts = {kind: len(part) for kind, part in images.taught.items()}
    return NearMissInfo(limit=learned.limit, kinds=list(learned.kinds), images=counts)


def _training_views(
    backbone: Backbone, paths: Sequence[Path], config: TrainConfig
) -> tuple[Tensor, Callable[[int], Tensor]]:
    """Features (n, D) without augmentation, and the function that maps an epoch to those to draw from, (n, V, D)."""
    if config.views:
        encoded = image_features(backbone, paths, config.views, config.crop, "Training images")
        return encoded[:, 0], lambda epoch: encoded[:, 1:]
    plain = image_features(backbone, paths, what="Training images")[:, 0]
    return plain, lambda epoch: fresh_views(backbone, paths, config.crop, config.seed, epoch)
