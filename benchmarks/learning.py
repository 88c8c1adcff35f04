"""Do the prompts learn on images that vip-mini has never seen, and do the symptoms still decide?

    python benchmarks/learning.py --root DATA [--tasks …] [--methods vip vip-adapter] [--seeds 1 2 3] [--shots 16]

DATA has the folders of `TASKS`, each with images/ and labels.csv. Symptoms, their wordings and wordings never trained
on are in benchmarks/tasks. A run trains on features of the evaluation view, selects the epoch on validation images and
measures the test images once. Each finished run is a line of --out, and is not done again. The table has the mean and
the standard deviation over the seeds.
"""

import argparse
import csv
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vip_core.data.dataset import Row
from vip_core.data.features import FeatureSplit, image_features
from vip_core.data.splits import few_shot
from vip_core.evaluation.calibration import fit_temperature
from vip_core.evaluation.meaning import measure_meaning
from vip_core.evaluation.metrics import mean_auroc
from vip_core.evaluation.probe import fit_probe
from vip_core.evaluation.reliance import symptom_reliance
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP, predict
from vip_core.scoring.zero_shot import ZeroShot
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.loop import train_prompts
from vip_core.utils.device import best_device, fast_bf16

HERE = Path(__file__).resolve().parent / "tasks"
SETS_OF_UNRELATED = 20


@dataclass(frozen=True)
class Task:
    """A task: labels of labels.csv by class of the symptom file, and how many training images are taken at most."""

    classes: dict[str, tuple[str, ...]]
    most: int | None = None


TASKS = {
    "chest_adult": Task({name: (name,) for name in ("airspace opacity", "no finding")}),
    "breast_ultrasound": Task({name: (name,) for name in ("normal", "benign", "malignant")}),
    "knee": Task({"KL 0-1": ("KL 0", "KL 1"), "KL 2-4": ("KL 2", "KL 3", "KL 4")}, 1200),
    "brain_mri": Task({name: (name,) for name in ("glioma", "meningioma", "pituitary tumor")}, 800),
    "blood_cells": Task(
        {
            name: (name,)
            for name in (
                *("basophil", "eosinophil", "erythroblast", "immature granulocyte"),
                *("lymphocyte", "monocyte", "neutrophil", "platelet"),
            )
        },
        1200,
    ),
}


@dataclass(frozen=True)
class Data:
    """A task's symptoms, rows and features by split, and the sets of wordings never trained on, by kind."""

    symptoms: SymptomSet
    rows: dict[str, list[Row]]
    splits: dict[str, FeatureSplit]
    held_out: dict[str, list[SymptomSet]]


def load(name: str, root: Path, backbone: Backbone) -> Data:
    """Read a task and encode its images."""
    task, symptoms = TASKS[name], SymptomSet.load(HERE / f"{name}.json")
    label_of = {given: symptoms.classes.index(own) for own, several in task.classes.items() for given in several}
    rows: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    with (root / name / "labels.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if (label := label_of.get(line["label"])) is not None:
                path = root / name / line["image"]
                rows[line["split"]].append(Row(path, label, line.get("patient") or path.stem, line))
    if task.most is not None and len(rows["train"]) > task.most:
        kept = sorted(random.Random(0).sample(range(len(rows["train"])), task.most))
        rows["train"] = [rows["train"][i] for i in kept]
    splits = {split: _encode(backbone, own, f"{name}, {split}") for split, own in rows.items()}
    held_out = {"reworded": [SymptomSet.load(HERE / f"{name}-reworded.json")]}
    synonyms = SymptomSet.load(HERE / f"{name}-synonyms.json")  # two per symptom
    held_out["synonyms"] = [
        replace(synonyms, symptoms=tuple(texts[start::2] for texts in synonyms.symptoms)) for start in (0, 1)
    ]
    return Data(symptoms, rows, splits, held_out)


def _encode(backbone: Backbone, rows: list[Row], what: str) -> FeatureSplit:
    features = image_features(backbone, [row.path for row in rows], what=what)[:, 0]
    return FeatureSplit(features, torch.tensor([row.label for row in rows]))


def run(name: str, data: Data, backbone: Backbone, method: str, seed: int, shots: int | None) -> dict[str, Any]:
    """Train once and measure the test images."""
    config = TrainConfig("csv", "", str(HERE / f"{name}.json"), method=method, seed=seed)
    train = data.splits["train"]
    if shots is not None:
        chosen = few_shot(tuple(data.rows["train"]), shots, seed, data.symptoms.classes)
        place = {row.path: i for i, row in enumerate(data.rows["train"])}
        kept = [place[row.path] for row in chosen]
        train = FeatureSplit(train.features[kept], train.labels[kept])
    torch.manual_seed(seed)
    vip = ViP(backbone, data.symptoms, config.context_length, config.class_context, adapter_rank=config.rank)
    vip.fast_training = fast_bf16(backbone.device)
    if vip.image_adapter is not None:
        vip.image_adapter.centre(train.features.to(backbone.device))
    val, test = data.splits["val"], data.splits["test"]
    before = measure_meaning(vip, test.features, data.rows["test"])
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        state = train_prompts(
            vip, lambda epoch: train.features[:, None], train.labels, val, config, Path(folder) / "last.pt"
        )
    seconds = time.monotonic() - started
    vip.temperature = fit_temperature(predict(vip, val.features), val.labels)
    after = measure_meaning(vip, test.features, data.rows["test"])
    reliance = symptom_reliance(vip, test.features)
    probe = fit_probe(train, {"val": val, "test": test})
    result: dict[str, Any] = {
        "task": name,
        "method": method,
        "seed": seed,
        "shots": shots,
        "n": {"train": len(train.labels), "val": len(val.labels), "test": len(test.labels)},
        "probe": None if probe is None else probe.auroc["test"],
        "zero_shot": zero_shot(backbone, data),
        "auroc": auroc(vip, test, data.symptoms),
        "follow": reliance.swap_follow_rate,
        "token_share": reliance.class_token_share,
        "unrelated": unrelated(vip, test.features),
        "alike": (after.line_correlation or 0.0) - (before.line_correlation or 0.0),
        "kept_epoch": state.best_epoch,
        "seconds": seconds,
    }
    for kind, sets in data.held_out.items():
        result[f"{kind}_auroc"] = statistics.mean(auroc(vip, test, symptoms) for symptoms in sets)
        result[f"{kind}_follow"] = statistics.mean(follow(vip, test.features, symptoms) for symptoms in sets)
        result[f"{kind}_strict"] = statistics.mean(
            follow(vip, test.features, symptoms, data.symptoms) for symptoms in sets
        )
    return result


@torch.inference_mode()
def logits(vip: ViP, features: Tensor, symptoms: SymptomSet) -> Tensor:
    """Logits (n, C) under other symptoms than the model's own."""
    return vip.eval()(features.to(vip.backbone.device), vip.encode_symptoms(symptoms), symptoms.counts).cpu()


def auroc(vip: ViP, split: FeatureSplit, symptoms: SymptomSet) -> float:
    """AUROC under a symptom set; of more than two classes, the mean over one-vs-rest."""
    scores = logits(vip, split.features, symptoms).softmax(-1)
    return mean_auroc(scores.double().numpy(), split.labels.numpy()) or 0.0


def follow(vip: ViP, features: Tensor, symptoms: SymptomSet, original: SymptomSet | None = None) -> float:
    """The share of predictions that follow when each class is given the next one's symptoms.

    original: the symptoms that the predictions are made with before the exchange; by default, those exchanged.
    """
    first = logits(vip, features, original or symptoms).argmax(-1)
    exchanged = replace(symptoms, symptoms=(*symptoms.symptoms[1:], symptoms.symptoms[0]))
    second = logits(vip, features, exchanged).argmax(-1)
    return ((first - 1) % len(symptoms.classes) == second).float().mean().item()


def unrelated(vip: ViP, features: Tensor) -> float:
    """How far the probabilities under unrelated lists are from even odds.

    The mean over twenty sets, images and classes of |p - 1/C|, after the temperature.
    """
    sentences = (HERE / "unrelated.txt").read_text(encoding="utf-8").splitlines()
    drawn, symptoms, apart = random.Random(7), vip.symptoms, []
    for _ in range(SETS_OF_UNRELATED):
        lists = tuple(tuple(drawn.sample(sentences, len(texts))) for texts in symptoms.symptoms)
        found = (logits(vip, features, replace(symptoms, symptoms=lists)) / vip.temperature).softmax(-1)
        apart.append((found - 1 / len(symptoms.classes)).abs().mean().item())
    return statistics.mean(apart)


def zero_shot(backbone: Backbone, data: Data) -> float:
    """AUROC of the symptoms without training, on the test images."""
    scorer, test = ZeroShot(backbone), data.splits["test"]
    _, terms = scorer.terms(test.features, data.symptoms)
    scores = torch.stack([term.symptoms.sum(-1) for term in terms], dim=-1).softmax(-1)
    return mean_auroc(scores.double().numpy(), test.labels.numpy()) or 0.0


COLUMNS = {
    "auroc": "AUROC",
    "reworded_auroc": "reworded",
    "synonyms_auroc": "synonyms",
    "follow": "follow",
    "reworded_follow": "reworded follow",
    "synonyms_follow": "synonyms follow",
    "reworded_strict": "reworded follow own",
    "unrelated": "unrelated",
    "token_share": "tokens",
    "alike": "alike",
}


def table(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Lines of a Markdown table: a row per task and method, mean and standard deviation over the seeds."""
    yield f"| task (train / val / test) | method | runs | zero-shot | probe | {' | '.join(COLUMNS.values())} |"
    yield "|---" * (5 + len(COLUMNS)) + "|"
    groups: dict[tuple[str, str, int | None], list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["task"], result["method"], result["shots"]), []).append(result)
    for (task, method, shots), own in groups.items():
        n, few = own[0]["n"], "" if shots is None else f", {shots} per class"
        cells = [_mean_and_sd([result[column] for result in own]) for column in COLUMNS]
        probe = _mean_and_sd([result["probe"] for result in own])
        yield (
            f"| {task} ({n['train']} / {n['val']} / {n['test']}){few} | {method} | {len(own)} | "
            f"{own[0]['zero_shot']:.3f} | {probe} | {' | '.join(cells)} |"
        )


def _mean_and_sd(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=("vip", "vip-adapter"), default=["vip", "vip-adapter"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--shots", type=int, help="train on this many images per class")
    parser.add_argument("--out", type=Path, default=Path("results/learning.jsonl"), help="finished runs, one per line")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    known = arguments.out.read_text(encoding="utf-8").splitlines() if arguments.out.is_file() else []
    done = {(r["task"], r["method"], r["seed"], r["shots"]): r for r in map(json.loads, known)}
    backbone, chosen = Backbone.load().to(best_device()), []
    for task in arguments.tasks:
        data = load(task, arguments.root, backbone)
        for method in arguments.methods:
            for seed in arguments.seeds:
                key = (task, method, seed, arguments.shots)
                if key not in done:
                    done[key] = run(task, data, backbone, method, seed, arguments.shots)
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(done[key]) + "\n")
                chosen.append(done[key])
    print("\n".join(table(chosen)))


if __name__ == "__main__":
    main()
