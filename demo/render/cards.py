"""The sentences beside a result, on the page and in the report; every text from outside is escaped here."""

from html import escape

from ..state.diagnosis import DiagnosisView
from ..state.numbers import PER_CENT, per_cent

OUT_OF_DISTRIBUTION = "Out of distribution. Do not interpret the result."


def message(sentence: str = "") -> str:
    """What went wrong, in one sentence; empty, it keeps its place on the page."""
    return f'<p class="vip-message" role="alert">{escape(sentence)}</p>'


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
            "Not calibrated: in the zero-shot modes the model was not trained for this task. Use the probability only "
            "for comparison, not as a frequency."
        )
    if view.edited:
        first = ""
        if view.original.prediction != diagnosis.prediction:
            first = f"With the original lists the prediction is “{view.original.prediction}”. "
        return f"{first}Not calibrated: the lists were edited. Use the probability only for comparison."
    if card is None or not calibrated(view):
        return "Not calibrated: the model card has no validation results."
    share = per_cent(diagnosis.probabilities[diagnosis.prediction]).removesuffix(PER_CENT)
    about = share if share.startswith(("over", "under")) else f"about {share}"
    n = card.figures["val"]["n"]
    sentence = (
        f"Calibrated on {n:,} validation images: {about} of 100 images with this score were labelled "
        f"{diagnosis.prediction}."
    )
    test = card.figures.get("test", {})
    if test.get("n") and test.get("ece") is not None:
        sentence += (
            f" On {test['n']:,} test images the mean calibration error was {100 * test['ece']:.0f} in 100; expect "
            "a larger error on images from other hospitals."
        )
    return sentence
