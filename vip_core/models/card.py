"""The card of a checkpoint: what is known of its training, as JSON."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vip_core.errors import CheckpointError, SymptomError
from vip_core.models.contrast import LocalContrast
from vip_core.symptoms import SymptomSet

CHECKPOINT_FILES = ("model.safetensors", "reference.safetensors", "card.json")
SCHEMA = 1  # raised only when an older vip_core could no longer read the card

Finite = Annotated[float, Field(allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    """A frozen part of the card. A field that a later version added is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class BackboneInfo(_Part):
    """Which backbone the prompts were trained on: the arguments of `Backbone.load`, and its fingerprint."""

    name: str
    pretrained: str | None
    fingerprint: str


class ContextInfo(_Part):
    """The context prompt: its number of vectors, and whether each class has its own."""

    length: int = Field(ge=1)
    per_class: bool


class AdapterInfo(_Part):
    """The image adapter: its rank."""

    rank: int = Field(ge=1)


class ContrastInfo(_Part):
    """How images of little local contrast are equalised; see `vip_core.models.contrast.LocalContrast`."""

    below: float = Field(gt=0, allow_inf_nan=False)
    tiles: int = Field(ge=1)
    clip: float = Field(gt=0, allow_inf_nan=False)

    @property
    def step(self) -> LocalContrast:
        """The step as it is applied to images."""
        return LocalContrast(self.below, self.tiles, self.clip)


class NearMissInfo(_Part):
    """The learned half of the domain check: its limit, its kinds of near miss, and the number of images of each."""

    limit: Finite
    kinds: list[str] = Field(min_length=1)
    images: dict[str, int]


class EpochInfo(_Part):
    """Of one epoch: mean training loss, validation accuracy and validation loss."""

    loss: Finite
    val_accuracy: Finite
    val_loss: Finite


class MeaningInfo(_Part):
    """What the symptoms mean on n images; see `vip_core.evaluation.meaning.Meaning`."""

    n: int
    line_correlation: Finite | None
    findings: dict[str, list[Finite]]


class Learning(_Part):
    """What a training run did.

    Attributes:
        kept_epoch: from 0.
        epochs: the first, the kept and the last.
        probe: the AUROC of a logistic regression on the same image features, by split.
        before, after: what the symptoms mean on validation images, as initialised and as trained.
        warnings: sentences, each with what to try.
    """

    kept_epoch: int
    epochs: dict[str, EpochInfo]
    probe: dict[str, Finite | None]
    before: MeaningInfo
    after: MeaningInfo
    warnings: list[str]


class Card(_Part):
    """What is known of a checkpoint; the content of card.json.

    Attributes:
        backbone: which backbone the prompts were trained on.
        classes: in the order of the model's class tokens.
        symptoms: the symptom set, as JSON.
        context: size of the context prompt.
        temperature: divides the logits before the softmax; above 0.
        domain_threshold: the domain score above which an image is flagged.
        training: the whole configuration, the epoch that was kept, seconds.
        data: name of the data set, and its images per split and class.
        figures: per split, with n and 95 % intervals.
        date: of the training, ISO 8601.
        version: of vip_core.
        digests: SHA-256 of the two tensor files.
        threshold: the probability of the second of two classes from which it is predicted, chosen on validation
            images; None for more than two classes.
        guard: per kind of out-of-distribution images, how many the domain check flags: {kind: {"n", "flagged"}}.
        near_misses: the learned half of the domain check; None where distance decides alone.
        contrast: how images of little local contrast are equalised first; None where they are not.
        method: "vip", or the name of an extension of it.
        adapter: size of the image adapter; None for the method "vip", which has none.
        learning: what the run did, with its warnings; None for a card of version 0.1.0.
        schema_version: of the card's layout.
    """

    backbone: BackboneInfo
    classes: list[str]
    symptoms: dict[str, Any]
    context: ContextInfo
    temperature: float = Field(gt=0, allow_inf_nan=False)
    domain_threshold: Finite
    training: dict[str, Any]
    data: dict[str, Any]
    figures: dict[str, Any]
    date: str
    version: str
    digests: dict[str, Digest] = Field(default_factory=dict)
    threshold: Finite | None = None
    guard: dict[str, dict[str, Any]] = Field(default_factory=dict)
    near_misses: NearMissInfo | None = None
    contrast: ContrastInfo | None = None
    method: str = "vip"
    adapter: AdapterInfo | None = None
    learning: Learning | None = None
    schema_version: int = Field(default=SCHEMA, ge=1, le=SCHEMA)

    @property
    def symptom_set(self) -> SymptomSet:
        """The symptoms that the model was trained with. Raises SymptomError if they are not a symptom set."""
        return SymptomSet.from_dict(self.symptoms)

    @property
    def calibrated_on(self) -> list[float] | None:
        """The share of each class among the validation images, which the temperature was fitted on; None if unknown."""
        images = self.data.get("images", {}).get("val", {})
        counts = [images.get(name, 0) for name in self.classes] if isinstance(images, dict) else []
        if not counts or min(counts) == 0:
            return None
        return [count / sum(counts) for count in counts]

    @property
    def reference_held_out(self) -> bool:
        """Whether the images of the reference bank were kept out of training."""
        return bool(self.data.get("reference", {}).get("held_out"))

    def threshold_of(self, index: int) -> float | None:
        """The threshold as a probability of the class at `index`, the first or the second; None where there is none."""
        return self.threshold if index == 1 or self.threshold is None else 1 - self.threshold

    def without_figures(self) -> "Card":
        """The card of a model that was changed afterwards: without anything measured or chosen on the former model."""
        return self.model_copy(update={"figures": {}, "threshold": None, "guard": {}, "learning": None})


def read_card(folder: Path) -> Card:
    """The card of a checkpoint's folder. Raises CheckpointError naming what is missing or wrong."""
    path = folder / "card.json"
    try:
        card = Card.model_validate(json.loads(path.read_text(encoding="utf-8")))
        classes = list(card.symptom_set.classes)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is not JSON; copy the checkpoint again.") from error
    except ValidationError as error:
        raise CheckpointError(f"{path} is not the card of a ViP checkpoint: {_reason(error)}.") from error
    except SymptomError as error:
        raise CheckpointError(f"{path} has an invalid symptom set: {error}") from error
    if missing := [name for name in CHECKPOINT_FILES[:2] if name not in card.digests]:
        raise CheckpointError(f"{path} lacks the digest of {' and '.join(missing)}; copy the checkpoint again.")
    if classes != card.classes:
        raise CheckpointError(
            f"{path} is inconsistent: it names the classes {card.classes}, its symptoms have {classes}; "
            "names and order must be the same."
        )
    return card


def _reason(error: ValidationError) -> str:
    """What a card lacks, or else the first value that is wrong."""
    details = error.errors(include_url=False)
    if details[0]["loc"] == ("schema_version",) and details[0]["type"] == "less_than_equal":
        return "a later version wrote it; upgrade vip_core"
    names = [".".join(map(str, detail["loc"])) for detail in details]
    missing = [name for name, detail in zip(names, details, strict=True) if detail["type"] == "missing"]
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    if not names[0]:
        return "it is not a JSON object"
    message = details[0]["msg"].removeprefix("Input should be ")
    return f"{names[0]} is {details[0]['input']!r}, and should be {message}"
