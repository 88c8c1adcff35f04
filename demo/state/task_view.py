"""What the page receives once per task: its classes, scale, cut-offs, examples and libraries, as JSON."""

import base64
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image

from vip_core.models.backbone import EMBEDDED
from vip_core.models.card import Card
from vip_core.symptoms import MAX_SYMPTOMS, SymptomSet
from vip_core.utils.paths import PROJECT

from .tasks import MODES, Task, task_descriptions

FINDING, OTHER = "#c2500a", "#0b6cab"  # orange is the finding, in every task; blue is its absence
PALETTE = ("#0b6cab", "#c2500a", "#00795a", "#a33f80", "#1f6f8b", "#8a6100", "#6a4fb3", "#b3423f")
SOURCE = "Trained on images from one source; not tested on others."
UNTRAINED = (
    "No model was trained for these classes: results are zero-shot on the embedded backbone and "
    "untested. For exploration only."
)
RESEMBLES = "Resembles the reference images."
THUMBNAIL = 112  # pixels: twice the size on the page, for screens of high density
Json = dict[str, Any]


def task_config(task: Task, tasks: Mapping[str, Task]) -> Json:
    """The static description of a task."""
    symptoms, card = task.predictor.symptoms, task.predictor.vip.card
    about = task_descriptions().get(task.key, {})
    finding = finding_of(task)
    colours = colours_of(task)
    return {
        "key": task.key,
        "label": task.label,
        "modality": symptoms.modality,
        "source": dict(symptoms.source),
        "classes": list(task.classes),
        "finding": finding,
        "colours": colours,
        "strip_names": strip_names(task),
        "strip_colours": strip_colours(task),
        "scope": scope_of(task),
        "resembles": about.get("resembles", RESEMBLES),
        "foreign": about.get("foreign", ""),
        "invitation": about.get("invitation", "Drop, paste or choose an image\nPNG, JPEG, TIFF or DICOM"),
        "legend": legend(task),
        "reference_note": reference_note(task),
        "cautions": cautions(task),
        "auroc_note": "AUROC: how well this symptom alone ranks the reference images of its class above the others",
        "lists": {name: list(lines) for name, lines in zip(symptoms.classes, symptoms.symptoms, strict=True)},
        "modes": list(MODES) if card is not None else [mode for mode in MODES if mode != "vip"],
        "axis": {mode: list(axis_of(task, mode)) for mode in MODES},
        "cutoffs": cutoffs(card, task.classes, finding),
        "mix": mix(card, task.classes, finding),
        "calibrated_n": calibrated_on(card),
        "referral": referral_of(card),
        "examples": [{"src": thumbnail(str(path)), "diagnosis": diagnosis} for path, diagnosis in task.examples],
        "library": library(task, tasks),
    }


def scope_of(task: Task) -> str:
    """Which images the task is for."""
    trained = task.predictor.vip.card is not None
    return task_descriptions().get(task.key, {}).get("scope", SOURCE if trained else UNTRAINED)


def axis_of(task: Task, mode: str) -> tuple[float, float]:
    """Ends of the axis of similarities in a mode."""
    return task.axis if task.predictor.vip.reference is None else task.similarity_axis(mode)


def finding_of(task: Task) -> int | None:
    """Index of the class that a task of two classes is for; None with more classes."""
    if len(task.classes) != 2:
        return None
    card = task.predictor.vip.card
    named = task_descriptions().get(task.key, {}).get("finding") or (card.training.get("positive") if card else None)
    return task.classes.index(named) if named in task.classes else 1


def colours_of(task: Task) -> list[str]:
    """A colour per class; the finding always has the same."""
    finding = finding_of(task)
    if finding is None:
        return [PALETTE[index % len(PALETTE)] for index in range(len(task.classes))]
    return [FINDING if index == finding else OTHER for index in range(2)]


def strip_groups(task: Task, label: int) -> tuple[list[int], list[int]]:
    """Labels of the reference images drawn above and below the line of a class's strips."""
    if len(task.classes) == 2:
        return [0], [1]
    return [label], [other for other in range(len(task.classes)) if other != label]


def strip_names(task: Task) -> list[list[str]]:
    """What the two distributions of each class's strips are of."""
    if len(task.classes) == 2:
        return [[f"{name} images" for name in task.classes]] * 2
    return [[f"{name} images", "all others"] for name in task.classes]


def strip_colours(task: Task) -> list[list[str]]:
    """Their colours."""
    colours = colours_of(task)
    return [colours] * 2 if len(task.classes) == 2 else [[colour, "#7b8794"] for colour in colours]


def legend(task: Task) -> str:
    """How a row is read."""
    bank = task.predictor.vip.reference
    bars = "Bar: how similar this image is to the symptom’s text. Dashed line: before your edit. "
    if bank is None:
        return bars
    counts = bank.labels.bincount(minlength=len(task.classes)).tolist()
    images = ", ".join(f"{count} {name}" for count, name in zip(counts, task.classes, strict=True))
    above = "its class above, all others below"
    if len(task.classes) == 2:
        above = "{} above, {} below".format(*task.classes)
    of_class = "The AUROC refers to the class, not to the finding."
    shared = "The symptoms of a class share its weight: editing one changes the numbers of the others."
    return f"{bars}Shaded: the reference images ({images}), {above}. {of_class} {reference_note(task)} {shared}"


def reference_note(task: Task) -> str:
    """How far AUROCs on the reference images can be trusted."""
    card = task.predictor.vip.card
    if card is not None and card.reference_held_out:
        return "The reference images were kept out of training; they are from the same source as the training images."
    return "The reference images are training images, so the AUROC is optimistically biased."


def cautions(task: Task) -> list[Json]:
    """Words of a symptom that the model takes no account of, with a sentence that says so."""
    found: list[Json] = [
        {
            "words": ["left", "right"],
            "note": "Left and right are not distinguished: the model was trained on mirrored images too.",
        }
    ]
    if task.predictor.vip.backbone.name == EMBEDDED:
        place = "Zones are not distinguished: no training image was labelled with the place of its finding."
        found.append({"words": ["upper", "lower", "apical", "apex", "apices", "basal", "bases"], "note": place})
    return found


def calibrated_on(card: Card | None) -> int:
    """How many validation images the temperature was fitted on; 0 where it was not."""
    return 0 if card is None else int(card.figures.get("val", {}).get("n") or 0)


def referral_of(card: Card | None) -> Json | None:
    """What the rule "refer where a crop or a wording changes the class" did on validation images, by the card."""
    found = {} if card is None else card.figures.get("val", {}).get("referral") or {}
    if not found.get("coverage"):
        return None
    parts = {"coverage": "coverage", "kept": "accuracy_kept", "referred": "accuracy_referred"}
    return {name: (found.get(key) or {}).get("value") for name, key in parts.items()}


def mix(card: Card | None, classes: tuple[str, ...], finding: int | None) -> float | None:
    """Share of the finding among the validation images that the probabilities were calibrated on."""
    counts = {} if card is None else card.data.get("images", {}).get("val", {})
    total = sum(counts.values())
    return counts.get(classes[finding], 0) / total if finding is not None and total else None


def cutoffs(card: Card | None, classes: tuple[str, ...], finding: int | None) -> list[Json]:
    """One half and the card's screening point on the scale of the finding, and what each found on test images.

    aim: the share of the finding that the screening point was set to find on validation images, or None.
    """
    if finding is None:
        return []
    test = {} if card is None else card.figures.get("test", {})
    found = [cutoff("half", 0.5, test.get("recall", {}), classes, finding)]
    if card is not None and (at := card.threshold_of(finding)) is not None:
        recall = test.get("at_threshold", {}).get("recall", {})
        aim = card.training.get("sensitivity")
        found.append(cutoff("screening", at, recall, classes, finding) | {"aim": aim if aim else None})
    return found


def cutoff(kind: str, at: float, recall: Mapping[str, float | None], classes: tuple[str, ...], finding: int) -> Json:
    """A cut-off, "half" or "screening", with the shares of the finding that it found and of the rest that it called."""
    others = recall.get(classes[1 - finding])
    return {
        "kind": kind,
        "at": at,
        "found": recall.get(classes[finding]),
        "false_alarms": None if others is None else 1 - others,
    }


def library(task: Task, tasks: Mapping[str, Task]) -> list[Json]:
    """Wordings of the same kind of image, from the libraries and the other tasks; `aurocs` says how well they rank."""
    texts: dict[str, str] = {}
    for path in sorted((PROJECT / "assets" / "symptoms").glob("*.json")):
        symptoms = SymptomSet.load(path)
        if symptoms.modality == task.predictor.symptoms.modality:
            for lines in symptoms.symptoms:
                texts |= dict.fromkeys(lines, path.stem)
    for other in tasks.values():
        if other.predictor.symptoms.modality == task.predictor.symptoms.modality:
            texts |= dict.fromkeys(other.predictor.symptoms.texts, other.key)
    return [{"text": text, "from": origin} for text, origin in texts.items()]


def aurocs(task: Task, name: str, texts: list[str]) -> list[float | None]:
    """AUROC of each text for a class on the reference images; None without a bank."""
    bank, predictor = task.predictor.similarity_reference, task.predictor
    if bank is None or not texts:
        return [None] * len(texts)
    label = task.classes.index(name)
    own = predictor.symptoms
    first = sum(own.counts[:label])
    found: list[float | None] = []
    for start in range(0, len(texts), MAX_SYMPTOMS):  # as many at a time as a class may have
        part = texts[start : start + MAX_SYMPTOMS]
        features = predictor.encode_symptoms(own.edited(name, part))[first : first + len(part)]
        found += [round(value, 3) for value in bank.separation(features, label)]
    return found


@cache
def thumbnail(path: str) -> str:
    """An example as a small picture within the page."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
