"""One temperature for all classes, or vector scaling? Measured on validation images, each scaled by the others.

    python benchmarks/scaling.py --root DATA [--tasks pneumonia melanoma …] [--folds 10]

DATA has the folders of `vip_core.pretraining.sets`. Vector scaling (Guo et al., ICML 2017) gives every class a factor
and a bias. Both are fitted on all folds but one, patients kept together, and measured on that one; logits without
scaling stand beside them. The smaller the cross-entropy and the Brier score the better.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "checkpoints"))
from make import TASKS, rows_of

from vip_core.data.features import encode_images
from vip_core.data.images import read_image
from vip_core.evaluation.calibration import expected_calibration_error, fit_temperature
from vip_core.evaluation.reliability import brier_score
from vip_core.models.vip import ViP, predict
from vip_core.scoring.predictor import Predictor


def fit_vector(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Factors (C,) and biases (C,) that minimise the smoothed cross-entropy of logits (n, C)."""
    logits, (images, classes) = logits.double(), logits.shape
    factors = torch.ones(classes, dtype=torch.float64, requires_grad=True)
    biases = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([factors, biases], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits * factors + biases, labels, label_smoothing=classes / (images + classes))
        loss.backward()
        return loss

    optimizer.step(closure)
    return factors.detach(), biases.detach()


def scaled(logits: Tensor, labels: Tensor, patients: list[str], folds: int) -> dict[str, Tensor]:
    """Log-probabilities (n, C) by each way of scaling; those of a fold by what the others gave."""
    made = {name: torch.empty(logits.shape, dtype=torch.float64) for name in ("none", "temperature", "vector")}
    for others, own in GroupKFold(folds, shuffle=True, random_state=0).split(logits, labels, patients):
        factors, biases = fit_vector(logits[others], labels[others])
        held = logits[own].double()
        made["none"][own] = held.log_softmax(-1)
        made["temperature"][own] = (held / fit_temperature(logits[others], labels[others])).log_softmax(-1)
        made["vector"][own] = (held * factors + biases).log_softmax(-1)
    return made


@torch.inference_mode()
def logits_of(vip: ViP, images: list[Path]) -> Tensor:
    """Logits (n, C), float32, of n images."""
    return predict(vip, encode_images(vip.backbone, (read_image(path) for path in images))).float().cpu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--checkpoints", type=Path, help="the folder that holds them, if they are not the shipped ones")
    arguments = parser.parse_args()
    print("| checkpoint | n | scaling | cross-entropy | Brier score | calibration error |\n|---|---|---|---|---|---|")
    for task in arguments.tasks:
        vip = Predictor.from_pretrained(str(arguments.checkpoints / task) if arguments.checkpoints else task).vip
        rows = rows_of(task, arguments.root, "val", vip.symptoms.classes)
        labels = torch.tensor([row.label for row in rows])
        made = scaled(
            logits_of(vip, [row.path for row in rows]), labels, [row.patient for row in rows], arguments.folds
        )
        for name, logs in made.items():
            probabilities, truth = logs.exp().numpy(), np.asarray(labels)
            brier = brier_score(probabilities, truth)
            error = expected_calibration_error(probabilities, truth)
            loss = float(F.nll_loss(logs, labels))
            print(f"| {task} | {len(rows)} | {name} | {loss:.4f} | {brier:.4f} | {error:.3f} |", flush=True)


if __name__ == "__main__":
    main()
