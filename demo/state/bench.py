"""Responses to the Diagnose page: pictures, scores with the map of a row, and files to download, as JSON."""

import base64
from collections.abc import Mapping
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path

from PIL import Image
from torch import Tensor

from vip_core.errors import SymptomError, UsageError, ViPError
from vip_core.scoring import evidence
from vip_core.scoring.scorer import Scorer
from vip_core.scoring.uncertainty import encode_image_views, measure_uncertainty

from .added_classes import task_asked
from .decode import DECODER
from .dicom_check import mismatch
from .request import Json, read_request
from .rows import score_rows
from .task_view import aurocs, axis_of, referral_of
from .tasks import Task, task_descriptions
from .visit import Second, Visit

PREVIEW = 768  # pixels of the picture's longer side on the page; the model reads its own size
FULL = 1.5  # times an even spread of the axis's end over the cells: where the map's colours are full
UNDATED = "undated"
MAX_WORDINGS = 500  # of a library
NO_PICTURE = "No picture: only the features of this image were kept.\nThe numbers are computed from them."


def rescore(tasks: Mapping[str, Task], visit: Visit, request: Json) -> Json | None:
    """Scores of the visitor's image under a request; None if that image is gone."""
    if not isinstance(request, dict) or request.get("task") not in tasks:
        return None
    try:
        task = task_asked(tasks, request)
    except SymptomError as error:
        return {"choice": request.get("choice"), "id": request.get("id", 0), "error": str(error)}
    wanted = library_aurocs(task, request)
    if visit.features is None or request.get("choice") != visit.choice:
        return {"choice": request.get("choice"), "id": request.get("id", 0), **wanted} if wanted else None
    return answer(task, visit, request) | wanted


def library_aurocs(task: Task, request: Json) -> Json:
    """The AUROC of each wording of the library for the class that is being written to, where it is asked for."""
    wanted = request.get("library")
    if not isinstance(wanted, dict) or wanted.get("class") not in task.classes:
        return {}
    texts = [text for text in wanted.get("texts") or [] if isinstance(text, str)][:MAX_WORDINGS]
    try:
        values = aurocs(task, wanted["class"], texts)
    except SymptomError:
        return {}
    return {"library": {"class": wanted["class"], "aurocs": values}}


def answer(task: Task, visit: Visit, request: Json) -> Json:
    """Scores, or the sentence that says why there are none."""
    try:
        found = score_rows(task, visit, request)
    except SymptomError as error:
        return {"choice": visit.choice, "id": request.get("id", 0), "error": str(error)}
    found["map"] = map_of(task, visit, request, found["rows"])
    return found


def map_of(task: Task, visit: Visit, request: Json, rows: list[Json]) -> Json | None:
    """The map of the row in focus, by default the row that adds most; None without patch features."""
    if visit.cells is None or visit.features is None:
        return None
    focus = request.get("focus") or {}
    place = (focus.get("class"), focus.get("index"))
    row = next((i for i, each in enumerate(rows) if (each["class"], each["index"]) == place), None)
    if row is None:
        row = max(range(len(rows)), key=lambda i: abs(rows[i]["adds"]))
    shown = {"class": rows[row]["class"], "index": rows[row]["index"]}
    found: Json = {"fit": task.predictor.vip.backbone.resize_mode, "focus": shown}
    asked = read_request(task, request)
    text = task.scorer(asked.mode).encode_symptoms(asked.symptoms)[row]
    axis = axis_of(task, asked.mode)
    height, width, _ = visit.cells.shape
    words = (
        f"Where the image resembles “{rows[row]['symptom']}”: {height} × {width} cells, interpolated. Not the outline "
        "of a lesion."
    )
    found |= {"cells": levels(task.scorer(asked.mode), visit.cells, visit.features, text, axis), "caption": words}
    second = visit.second
    if second is not None and second.cells is not None:
        found["second"] = levels(task.scorer(asked.mode), second.cells, second.features, text, axis)
    return found


def levels(scorer: Scorer, cells: Tensor, features: Tensor, text: Tensor, axis: tuple[float, float]) -> list[list[int]]:
    """The map of one symptom as whole numbers per cell, -127 (less similar) to 127 (more similar).

    Args:
        scorer: of the mode, whose image adapter changes the cells if it has one.
        cells: (h, w, D).
        features: (D,) of the same image.
        text: (D,).
        axis: of similarities, which sets the scale where the cells add up to the similarity; else the map sets its own.
    """
    exact = evidence.adds_up(cells, features)
    terms = (evidence.evidence if exact else evidence.contrast)(scorer.map_cells(cells), text[None])[0].cpu()  # (h, w)
    end = FULL * max(map(abs, axis)) / terms.numel() if exact else terms.abs().max().item() or 1.0
    return (terms.clamp(-end, end) / end * 127).round().int().tolist()


def read(task: Task, visit: Visit, request: Json, path: Path | None) -> Json | None:
    """Read an image into the visit: its picture and its scores. None where a later choice has overtaken it.

    path: of the file; None where the upload has expired.
    """
    choice = int(request["choice"])
    visit.choice, visit.undecided = max(visit.choice, choice), None
    try:
        if path is None:
            raise UsageError("The upload has expired. Choose the image again.")
        image, facts, raw = DECODER.read_upload(path)
        features, cells = task.predictor.encode_with_patches(image)
    except ViPError as error:
        return {"picture": {"choice": choice, "error": str(error)}}
    if choice != visit.choice:
        return None
    date = (facts and facts.date) or UNDATED
    remarks = " ".join(image.info["remarks"])
    shown = picture(image)
    warning = mismatch(facts, task_descriptions().get(task.key, {}).get("dicom"))
    if request.get("second"):
        visit.second = Second(features, cells, warning)
        shown |= {"second": True, "labels": labels(visit.date, date), "facts": remarks}
    else:
        visit.features, visit.cells, visit.second, visit.date = features, cells, None, date
        visit.doubt = None
        visit.warning = warning
        visit.picture = base64.b64decode(shown["url"].split(",", 1)[1])
        shown |= {"facts": ". ".join(filter(None, (str(facts or ""), remarks))), "raw": raw}
    if request.get("second") is not True and referral_of(task.predictor.vip.card) is not None:
        visit.undecided = (image, path)
    return {"picture": {**shown, "choice": choice}, "scores": answer(task, visit, request)}


def doubt(task: Task, visit: Visit, choice: int) -> Json | None:
    """Whether small changes of the image or of the wording change the class. None if that cannot be measured."""
    undecided, visit.undecided = visit.undecided, None
    if undecided is None:
        return None
    image, path = undecided
    found = task.uncertainties.get(path)
    if found is None:
        found = measure_uncertainty(task.predictor, encode_image_views(task.predictor, image, path.name))
        if path in dict(task.examples):
            task.uncertainties[path] = found
    if choice != visit.choice:
        return None
    visit.doubt = found
    return {"choice": choice, **found.to_dict()}


def take_features(task: Task, visit: Visit, request: Json, features: Tensor | None) -> Json | None:
    """Take an image of the cohort by its feature (D,): scores without a picture. None where it has been overtaken."""
    choice = int(request["choice"])
    visit.choice = max(visit.choice, choice)
    if choice != visit.choice:
        return None
    if features is None:
        return {"picture": {"choice": choice, "error": "This image is no longer in the cohort. Read the images again."}}
    visit.features, visit.cells, visit.second = features, None, None
    visit.picture, visit.warning, visit.date, visit.doubt = b"", "", UNDATED, None
    return {"picture": {"choice": choice, "none": NO_PICTURE}, "scores": answer(task, visit, request)}


def labels(first: str, second: str) -> list[str]:
    """Labels for two images: by their dates, with the older one marked."""
    names = [f"first image, {first}", f"second image, {second}"]
    if UNDATED in (first, second) or first == second:
        return names
    older = 0 if first < second else 1
    return [f"{name}{', older' if index == older else ''}" for index, name in enumerate(names)]


def picture(image: Image.Image) -> Json:
    """The image for the page, within the page itself: the server needs no file of it."""
    image = image.copy()
    image.thumbnail((PREVIEW, PREVIEW))
    image.info = {}  # Pillow would write a comment of the upload into the picture
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"url": f"data:image/jpeg;base64,{data}", "width": image.width, "height": image.height}


def clear(visit: Visit, request: Json) -> Visit:
    """Forget the image, or the second one alone."""
    if request.get("second"):
        visit.second = None
    elif int(request.get("choice", 0)) >= visit.choice:
        visit.choice = int(request.get("choice", 0))
        visit.features = visit.cells = visit.second = None
        visit.picture, visit.warning, visit.date, visit.doubt = b"", "", UNDATED, None
    return visit


def file(name: str, kind: str, data: bytes) -> Json:
    """A file that the browser saves."""
    stamp, ending = f"{datetime.now(timezone.utc):%Y-%m-%d-%H%M}", kind.split("/")[-1].split("+")[0]
    return {"name": f"{name}-{stamp}.{ending}", "type": kind, "data": base64.b64encode(data).decode()}
