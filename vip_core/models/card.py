"""The card of a checkpoint: what is known of its training, as JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vip_core.errors import CheckpointError

FILES = ("model.safetensors", "reference.safetensors", "card.json")


@dataclass(frozen=True)
class Card:
    """What is known of a checkpoint; card.json.

    Attributes:
        backbone: name, pretrained, fingerprint.
        classes: in the order of the model's tokens.
        symptoms: the symptom set as JSON.
        context: length, and whether there is one a class.
        temperature: divides the logits before the softmax.
        domain_threshold: distance above which an image is flagged.
        training: the whole configuration, the epoch that was kept, seconds.
        data: name of the data set and images a split and class.
        figures: by split, with n and 95 % intervals.
        date: of the training, ISO 8601.
        version: of vip_core.
        digests: SHA-256 of the two tensor files.
        threshold: of the second of two classes, chosen on validation images by `training`'s positive and sensitivity;
            None of more classes.
        guard: of foreign images by kind, how many the domain check flags: {kind: {"n", "flagged"}}.
    """

    backbone: dict[str, Any]
    classes: list[str]
    symptoms: dict[str, Any]
    context: dict[str, Any]
    temperature: float
    domain_threshold: float
    training: dict[str, Any]
    data: dict[str, Any]
    figures: dict[str, Any]
    date: str
    version: str
    digests: dict[str, str] = field(default_factory=dict)
    threshold: float | None = None
    guard: dict[str, dict[str, int]] = field(default_factory=dict)


def read_card(folder: Path) -> Card:
    """The card of a checkpoint's folder. Raises CheckpointError if it is damaged."""
    path = folder / "card.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        card = Card(**data)
        float(card.temperature), float(card.domain_threshold)
        _ = (card.backbone["name"], card.backbone["pretrained"], card.backbone["fingerprint"])
        _ = (card.context["length"], card.context["per_class"], card.digests[FILES[0]], card.digests[FILES[1]])
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is damaged: it is not JSON; copy the checkpoint again.") from error
    except (TypeError, ValueError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).replace("Card.__init__() ", "")
        raise CheckpointError(f"{path} is damaged or not the card of a checkpoint: {reason}.") from error
    return card
