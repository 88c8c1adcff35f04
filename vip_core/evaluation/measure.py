"""Everything measured of a model on one split."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch.nn import functional as F

from vip_core.data.dataset import Row
from vip_core.data.features import FeatureSplit
from vip_core.evaluation.metrics import at_threshold, expected_calibration_error, figures, share_interval
from vip_core.evaluation.reliance import carrying
from vip_core.models.vip import ViP, predict


def measure(
    vip: ViP, split: FeatureSplit, rows: Sequence[Row], seed: int, threshold: float | None = None
) -> dict[str, Any]:
    """Figures of a model on a split as JSON, and whether its symptoms carry them.

    Args:
        vip: a trained model.
        split: features and labels.
        rows: of the split; where they have a subtype, the accuracy of each stands in the result.
        seed: of the bootstrap.
        threshold: of the second of two classes, chosen on validation images, to measure at beside one half.
    """
    logits = predict(vip, split.features)
    probabilities = (logits / vip.temperature).softmax(-1)
    result = figures(probabilities, split.labels, vip.symptoms.classes, seed).to_dict()
    if threshold is not None:
        moved = figures(at_threshold(probabilities, threshold), split.labels, vip.symptoms.classes, seed).to_dict()
        shown = ("accuracy", "balanced_accuracy", "f1_macro", "recall", "confusion")
        intervals = {name: value for name, value in moved["intervals"].items() if name != "auroc"}
        result["at_threshold"] = {
            "threshold": threshold,
            **{name: moved[name] for name in shown},
            "intervals": intervals,
        }
    result["symptoms_carry"] = asdict(carrying(vip, split.features))
    untempered = F.softmax(logits, -1).double().numpy()
    result["ece_before_temperature"] = expected_calibration_error(untempered, split.labels.numpy())
    right = (logits.argmax(-1) == split.labels).tolist()
    subtypes: dict[str, list[bool]] = {}
    for row, correct in zip(rows, right, strict=True):
        if subtype := row.details.get("subtype"):
            subtypes.setdefault(subtype, []).append(correct)
    if subtypes:
        result["subtypes"] = {
            name: {
                "n": len(hits),
                "accuracy": sum(hits) / len(hits),
                "intervals": {"accuracy": share_interval(sum(hits), len(hits))},
            }
            for name, hits in sorted(subtypes.items())
        }
    if vip.reference is not None:
        result["flagged_out_of_domain"] = sum(not check.in_domain for check in vip.reference.check(split.features))
    return result
