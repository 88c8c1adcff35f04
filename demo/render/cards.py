"""Pieces of HTML for the pages; every text from outside is escaped here."""

import base64
from html import escape

from demo.render.bars import SHOWN, number, symptom_chart
from demo.render.charts import COLOURS, WIDTH, chart_svg
from demo.state.diagnosis import Reading

DISCLAIMER = "Research use, not a medical device."
UNLIKE = "This image is unlike anything the model knows; the result means nothing."
INVITATION = "Choose an image or an example, and the model’s reading stands here."
BARS_TITLE = "How strongly each symptom is seen"
HOW_TO_READ = (
    "Each symptom gets a bar here: the similarity of the image with the symptom’s text. “Higher than 87 % of reference "
    "images” says how that compares with images that the model was trained on."
)
AUROC = "AUROC: how well a line alone tells its class on reference images; 0.5 is chance, 1 perfect."
BARS_TITLES = {
    "similarity": BARS_TITLE,
    "percentile": "How each symptom ranks among reference images",
    "contribution": "What each symptom adds to the decision",
}


def message(sentence: str = "") -> str:
    """What went wrong, in one sentence; empty, it keeps its place on the page."""
    return f'<p class="vip-message" role="alert">{escape(sentence)}</p>'


def placeholder(sentence: str = INVITATION) -> str:
    """What stands in place of a result."""
    return f'<div class="vip-card vip-empty"><p>{escape(sentence)}</p></div>'


def result_card(reading: Reading) -> str:
    """The predicted class and its probability; the warning instead, where the image is unlike the known ones."""
    diagnosis = reading.diagnosis
    if not reading.in_domain:
        lines = (
            f'<p class="vip-class vip-warning">{escape(UNLIKE)}</p>'
            f'<p class="vip-probability">It must choose a class, and says “{escape(diagnosis.prediction)}”.</p>'
        )
    else:
        ranked = sorted(diagnosis.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{escape(name)} {per_cent(value)}" for name, value in ranked[1:])
        shares = "".join(
            f'<span style="width:{100 * value:.1f}%;background:{COLOURS[index % len(COLOURS)]}"></span>'
            for index, value in enumerate(diagnosis.probabilities.values())
        )
        name, value = ranked[0]
        before = f"{per_cent(reading.original.probabilities[name])} → " if reading.edited else ""
        lines = (
            f'<p class="vip-class">{escape(name)}</p>'
            f'<p class="vip-probability"><span class="vip-before">{before}</span><b>{per_cent(value)}</b> '
            f"{'calibrated ' if calibrated(reading) else ''}probability; {others}</p>"
            f'<div class="vip-shares" aria-hidden="true">{shares}</div>'
            f'<p class="vip-trust">{escape(how_far_to_trust(reading))}</p>'
        )
    return (
        f'<div class="vip-card" aria-live="polite">{lines}'
        '<p class="vip-stale">This is the result of the last lists that could be used.</p>'
        f'<p class="vip-disclaimer">{DISCLAIMER}</p></div>'
    )


def calibrated(reading: Reading) -> bool:
    """Whether the probability was fitted to validation images: the trained prompts with the original lists."""
    card = reading.task.predictor.vip.card
    fitted = card is not None and bool(card.figures.get("val", {}).get("n"))
    return fitted and reading.mode == "vip" and not reading.edited


def how_far_to_trust(reading: Reading) -> str:
    """What the probability means, in plain words."""
    card, diagnosis = reading.task.predictor.vip.card, reading.diagnosis
    if reading.mode != "vip":
        return (
            "Not calibrated: in the zero-shot modes the model was not trained for this task, so the probability is "
            "a way to compare, not a frequency."
        )
    if reading.edited:
        first = ""
        if reading.original.prediction != diagnosis.prediction:
            first = f"With the original lists it says “{reading.original.prediction}”. "
        return f"{first}The calibration holds for the original lists; with yours, take the probability as a comparison."
    if not calibrated(reading):
        return "Not calibrated: the model’s card has no figures of validation images."
    share = diagnosis.probabilities[diagnosis.prediction]
    times = "nearly all" if share > 0.995 else f"about {100 * share:.0f}"
    verb = "was" if times == "about 1" else "were"
    sentence = (
        f"The scale was set on {card.figures['val']['n']:,} validation images: of 100 scored like this, {times} {verb} "
        f"{diagnosis.prediction}."
    )
    test = card.figures.get("test", {})
    if test.get("n") and test.get("ece") is not None:
        sentence += (
            f" On {test['n']:,} test images it was off by {100 * test['ece']:.0f} in 100 on average; expect more on "
            "images from elsewhere."
        )
    return sentence


def bars_card(reading: Reading | None = None, shown: str = "similarity") -> str:
    """The bar chart as a picture of text that stays sharp; before there is a diagnosis, how it will be read."""
    if reading is None:
        return f'<div class="vip-bars"><h2>{BARS_TITLES[shown]}</h2><p>{HOW_TO_READ}</p></div>'
    task, diagnosis = reading.task, reading.diagnosis
    axis = {
        "similarity": task.similarity_axis,
        "percentile": lambda mode: (0.0, 100.0),
        "contribution": lambda mode: task.contribution_axis(mode, reading.symptoms),
    }[shown](reading.mode)
    chart = symptom_chart(diagnosis, axis, shown, reading.before, reading.separations, reading.original.class_terms)
    picture = base64.b64encode(chart_svg(chart)).decode()
    title = BARS_TITLES[shown].replace("symptom", "class name") if reading.mode == "names" else BARS_TITLES[shown]
    return (
        f'<div class="vip-bars"><h2>{title}</h2><p>{escape(what_bars_show(reading, shown))}</p>'
        f'<img width="{WIDTH}" height="{chart.height:.0f}" decoding="sync" src="data:image/svg+xml;base64,{picture}" '
        f'alt="A bar for each symptom, its {SHOWN[shown].lower()}; the table on this page has the same numbers."></div>'
    )


def what_bars_show(reading: Reading, shown: str) -> str:
    """How to read the bars, above them."""
    scored = "the prompt of the class’s name" if reading.mode == "names" else "the symptom’s text"
    first = f"Bars show the similarity of the image with {scored}."
    if shown == "percentile":
        first = f"Bars show how many of the reference images are less similar to {scored} than this image is."
    elif shown == "contribution":
        first = how_bars_sum(reading)
    outline = "" if reading.mode == "names" else " An outline is the bar before your edits."
    return f"{first}{outline} {AUROC}"


def how_bars_sum(reading: Reading) -> str:
    """How contributions, class terms included, make up the decision."""
    diagnosis, temperature = reading.diagnosis, reading.task.scorer(reading.mode).temperature
    if len(diagnosis.logits) > 2:
        sums = ", ".join(f"{name} {number(value, '.2f')}" for name, value in diagnosis.logits.items())
        return f"The bars of each class sum to its score ({sums}); the highest score decides."
    name = diagnosis.prediction
    logit = diagnosis.logits[name] - sum(value for other, value in diagnosis.logits.items() if other != name)
    sentence = f"Bars to the right speak for {name}, to the left against it. All of them sum to {number(logit, '.2f')}"
    if not reading.in_domain:
        return f"{sentence}."
    odds = ", the log-odds"
    if temperature != 1:
        odds = (
            f"; divided by the temperature {temperature:.2f} that is the log-odds {number(logit / temperature, '.2f')}"
        )
    return f"{sentence}{odds}: a probability of {per_cent(diagnosis.probabilities[name])}."


def per_cent(probability: float) -> str:
    """A probability for people; never a certainty that the model does not have."""
    if probability > 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"
