"""Pieces of HTML for the pages; every text from outside is escaped here."""

import base64
from html import escape

from .. import DISCLAIMER
from ..render.charts import COLOURS, WIDTH, chart_svg
from ..state.diagnosis import DiagnosisView
from .bars import SHOWN, symptom_chart
from .numbers import number, per_cent

OUT_OF_DISTRIBUTION = (
    "Out of distribution: this image does not resemble the reference images. Do not interpret the result."
)
INVITATION = "Choose an image or an example to see the model’s prediction."
FIX_LISTS = "Fix the symptom lists to see the result of this image."
BARS_TITLE = "How strongly each symptom is seen"
HOW_TO_READ = (
    "Each symptom gets a bar: the similarity between the image and the symptom’s text. “Higher than 87 % of reference "
    "images” compares it with images that the model was trained on."
)
AUROC = (
    "AUROC: how well this symptom alone discriminates the classes on the (training) reference images; 0.5 is chance, "
    "1 is perfect."
)
BARS_TITLES = {
    "similarity": BARS_TITLE,
    "percentile": "How each symptom ranks among reference images",
    "contribution": "What each symptom adds to the decision",
}


def message(sentence: str = "") -> str:
    """What went wrong, in one sentence; empty, it keeps its place on the page."""
    return f'<p class="vip-message" role="alert">{escape(sentence)}</p>'


def placeholder(sentence: str = INVITATION) -> str:
    """A sentence in place of a result."""
    return f'<div class="vip-card vip-empty"><p>{escape(sentence)}</p></div>'


def result_card(view: DiagnosisView) -> str:
    """The predicted class and its probability; for an image out of distribution, the warning instead."""
    diagnosis = view.diagnosis
    if not view.in_domain:
        lines = (
            f'<p class="vip-class vip-warning">{escape(OUT_OF_DISTRIBUTION)}</p>'
            f'<p class="vip-probability">{escape(forced_choice(diagnosis.prediction))}</p>'
        )
    else:
        ranked = sorted(diagnosis.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{escape(name)} {per_cent(value)}" for name, value in ranked[1:])
        shares = "".join(
            f'<span style="width:{100 * value:.1f}%;background:{COLOURS[index % len(COLOURS)]}"></span>'
            for index, value in enumerate(diagnosis.probabilities.values())
        )
        name, value = ranked[0]
        before = f"{per_cent(view.original.probabilities[name])} → " if view.edited else ""
        lines = (
            f'<p class="vip-class">{escape(name)}</p>'
            f'<p class="vip-probability"><span class="vip-before">{before}</span><b>{per_cent(value)}</b> '
            f"{'calibrated ' if calibrated(view) else ''}probability; {others}</p>"
            f'<div class="vip-shares" aria-hidden="true">{shares}</div>'
            f'<p class="vip-trust">{escape(how_far_to_trust(view))}</p>'
        )
    return (
        f'<div class="vip-card" aria-live="polite">{lines}'
        '<p class="vip-stale">This is the result of the last valid lists.</p>'
        f'<p class="vip-disclaimer">{DISCLAIMER}</p></div>'
    )


def forced_choice(prediction: str) -> str:
    """What the class of an image out of distribution is worth."""
    return f"Forced choice: {prediction} (not reliable)."


def calibrated(view: DiagnosisView) -> bool:
    """Whether the probability was fitted to validation images: the trained prompts with the original lists."""
    card = view.task.predictor.vip.card
    fitted = card is not None and bool(card.figures.get("val", {}).get("n"))
    return fitted and view.mode == "vip" and not view.edited


def how_far_to_trust(view: DiagnosisView) -> str:
    """What the probability means, in plain words."""
    card, diagnosis = view.task.predictor.vip.card, view.diagnosis
    if view.mode != "vip":
        return (
            "Not calibrated: in the zero-shot modes the model was not trained for this task. Use the probability to "
            "compare, not as a frequency."
        )
    if view.edited:
        first = ""
        if view.original.prediction != diagnosis.prediction:
            first = f"With the original lists the prediction is “{view.original.prediction}”. "
        return f"{first}Not calibrated: the calibration holds for the original lists. Use the probability to compare."
    if card is None or not calibrated(view):
        return "Not calibrated: the model card has no validation figures."
    share = per_cent(diagnosis.probabilities[diagnosis.prediction]).removesuffix(" %")
    about = share if share.startswith(("over", "under")) else f"about {share}"
    n = card.figures["val"]["n"]
    sentence = (
        f"Calibrated on {n:,} validation images: {about} of 100 images with this score were {diagnosis.prediction}."
    )
    test = card.figures.get("test", {})
    if test.get("n") and test.get("ece") is not None:
        sentence += (
            f" On {test['n']:,} test images the mean calibration error was {100 * test['ece']:.0f} in 100; expect "
            "more on images from other hospitals."
        )
    return sentence


def bars_card(view: DiagnosisView | None = None, shown: str = "similarity") -> str:
    """The bar chart as SVG; before there is a diagnosis, how to read it."""
    if view is None:
        return f'<div class="vip-bars"><h2>{BARS_TITLES[shown]}</h2><p>{HOW_TO_READ}</p></div>'
    task, diagnosis = view.task, view.diagnosis
    axis = {
        "similarity": task.similarity_axis,
        "percentile": lambda mode: (0.0, 100.0),
        "contribution": lambda mode: task.contribution_axis(mode, view.symptoms),
    }[shown](view.mode)
    chart = symptom_chart(diagnosis, axis, shown, view.before, view.separations, view.original.class_terms)
    picture = base64.b64encode(chart_svg(chart)).decode()
    title = BARS_TITLES[shown].replace("symptom", "class name") if view.mode == "names" else BARS_TITLES[shown]
    return (
        f'<div class="vip-bars"><h2>{title}</h2><p>{escape(what_bars_show(view, shown))}</p>'
        f'<img width="{WIDTH}" height="{chart.height:.0f}" decoding="sync" src="data:image/svg+xml;base64,{picture}" '
        f'alt="A bar for each symptom, its {SHOWN[shown].lower()}; the table on this page has the same numbers."></div>'
    )


def what_bars_show(view: DiagnosisView, shown: str) -> str:
    """How to read the bars, above them."""
    scored = "the prompt of the class’s name" if view.mode == "names" else "the symptom’s text"
    first = f"Bars show the similarity between the image and {scored}."
    if shown == "percentile":
        first = f"Bars show how many of the reference images are less similar to {scored} than this image is."
    elif shown == "contribution":
        first = how_bars_sum(view)
    outline = "" if view.mode == "names" else " The outline shows the value before your edits."
    return f"{first}{outline} {AUROC}"


def how_bars_sum(view: DiagnosisView) -> str:
    """How contributions, class terms included, make up the decision."""
    diagnosis, temperature = view.diagnosis, view.task.scorer(view.mode).temperature
    if len(diagnosis.logits) > 2:
        sums = ", ".join(f"{name} {number(value)}" for name, value in diagnosis.logits.items())
        return f"The bars of each class sum to its score ({sums}); the highest score decides."
    name = diagnosis.prediction
    logit = diagnosis.logits[name] - sum(value for other, value in diagnosis.logits.items() if other != name)
    sentence = f"Bars to the right favour {name}, bars to the left count against it. They sum to {number(logit)}"
    if not view.in_domain:
        return f"{sentence}."
    odds = ", the log-odds"
    if temperature != 1:
        odds = f"; divided by the temperature {temperature:.2f} that is the log-odds {number(logit / temperature)}"
    return f"{sentence}{odds}: a probability of {per_cent(diagnosis.probabilities[name])}."
