"""Two images side by side: the second picture, and both predictions with the similarities."""

import base64
from html import escape
from io import BytesIO
from itertools import groupby
from typing import Any

from PIL import Image

from vip_core.scoring.diagnosis import Diagnosis

from .. import DISCLAIMER
from .numbers import number, per_cent


def picture_html(picture: dict[str, Any]) -> str:
    """A picture, as the Where section's own JavaScript lays it out, from the data of an image component."""
    width, height = Image.open(BytesIO(base64.b64decode(picture["url"].split(",", 1)[1]))).size
    return (
        f'<img class="vip-where-picture" alt="The second image" width="{width}" height="{height}" '
        f'style="--vip-aspect: {width / height}" src="{picture["url"]}">'
    )


def comparison_html(first: Diagnosis, second: Diagnosis) -> str:
    """Prediction and similarities of two images, side by side; both were scored with the same lists."""
    groups = groupby(zip(first.symptoms, second.symptoms, strict=True), lambda pair: pair[0].class_name)
    bodies = [
        f'<tbody><tr><th colspan="4" scope="rowgroup">{escape(name)}</th></tr>'
        + "".join(
            f"<tr><td>{escape(a.symptom)}</td><td>{number(a.similarity)}</td>"
            f"<td>{number(b.similarity)}</td><td>{number(b.similarity - a.similarity, plus='+')}</td></tr>"
            for a, b in pairs
        )
        + "</tbody>"
        for name, pairs in groups
    ]
    return (
        '<div class="vip-where-compared"><h3>The second image beside the first</h3>'
        f"<p>First image: <b>{prediction(first)}</b>. Second image: <b>{prediction(second)}</b>. {DISCLAIMER}</p>"
        '<table><thead><tr><th scope="col">Similarity of the symptom</th><th scope="col">First</th>'
        f'<th scope="col">Second</th><th scope="col">Change</th></tr></thead>{"".join(bodies)}</table></div>'
    )


def prediction(diagnosis: Diagnosis) -> str:
    """The class with its probability, or that the image is out of distribution."""
    if diagnosis.domain is not None and not diagnosis.domain.in_domain:
        return "out of distribution"
    return f"{escape(diagnosis.prediction)}, {per_cent(diagnosis.probabilities[diagnosis.prediction])}"
