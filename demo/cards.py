"""Pieces of HTML for the pages; every text from outside is escaped here."""

import base64
from html import escape

from demo.charts import COLOURS, WIDTH, svg, symptom_bars
from demo.tasks import Task
from vip_core.predictor import Diagnosis

DISCLAIMER = "Research use, not a medical device."
UNLIKE = "This image is unlike anything the model knows; the result means nothing."
INVITATION = "Choose an image or an example, and the model’s reading stands here."
BARS_TITLE = "How strongly each symptom is seen"
HOW_TO_READ = (
    "Each symptom gets a bar here: the similarity of the image with the symptom’s text. “Higher than 87 % of reference "
    "images” says how that compares with images that the model was trained on."
)


def message(sentence: str = "") -> str:
    """What went wrong, in one sentence; empty, it keeps its place on the page."""
    return f'<p class="vip-message" role="alert">{escape(sentence)}</p>'


def placeholder(sentence: str = INVITATION) -> str:
    """What stands in place of a result."""
    return f'<div class="vip-card vip-empty"><p>{escape(sentence)}</p></div>'


def result_card(diagnosis: Diagnosis) -> str:
    """The predicted class and its probability; the warning instead, where the image is unlike the known ones."""
    if diagnosis.domain is not None and not diagnosis.domain.in_domain:
        name = escape(diagnosis.prediction)
        reading = (
            f'<p class="vip-class vip-warning">{escape(UNLIKE)}</p>'
            f'<p class="vip-probability">It must choose a class, and says “{name}”.</p>'
        )
    else:
        probabilities = sorted(diagnosis.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{escape(name)} {per_cent(value)}" for name, value in probabilities[1:])
        shares = "".join(
            f'<span style="width:{100 * value:.1f}%;background:{COLOURS[index % len(COLOURS)]}"></span>'
            for index, value in enumerate(diagnosis.probabilities.values())
        )
        reading = (
            f'<p class="vip-class">{escape(diagnosis.prediction)}</p>'
            f'<p class="vip-probability"><b>{per_cent(probabilities[0][1])}</b> calibrated probability; {others}</p>'
            f'<div class="vip-shares" aria-hidden="true">{shares}</div>'
        )
    return (
        f'<div class="vip-card" aria-live="polite">{reading}'
        '<p class="vip-stale">This is the result of the last lists that could be used.</p>'
        f'<p class="vip-disclaimer">{DISCLAIMER}</p></div>'
    )


def bars_card(task: Task | None = None, diagnosis: Diagnosis | None = None) -> str:
    """The bar chart as a picture of text that stays sharp; before there is a diagnosis, how it will be read."""
    if task is None or diagnosis is None:
        return f'<div class="vip-bars"><h2>{BARS_TITLE}</h2><p>{HOW_TO_READ}</p></div>'
    figure = symptom_bars(diagnosis, task.axis)
    height = figure.get_figheight() * 72
    picture = base64.b64encode(svg(figure)).decode()
    return (
        f'<div class="vip-bars"><h2>{BARS_TITLE}</h2>'
        "<p>Bars show the similarity of the image with the symptom’s text.</p>"
        f'<img width="{WIDTH}" height="{height:.0f}" decoding="sync" src="data:image/svg+xml;base64,{picture}" '
        'alt="A bar for each symptom; the table on this page has the same numbers."></div>'
    )


def per_cent(probability: float) -> str:
    """A probability for people; never a certainty that the model does not have."""
    if probability > 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"
