"""The sentences of the report about the answer, as on the page (assets/page/meaning.js)."""

from vip_core.scoring.uncertainty import Uncertainty

from ..state.diagnosis import DiagnosisView
from ..state.finding import FindingAnswer
from ..state.numbers import PER_CENT, per_cent
from ..state.task_view import Json, finding_of, mix, referral_of
from ..state.tasks import task_descriptions

SURE = 0.8  # below this a class is often wrong, however stable it is


def side_words(answer: FindingAnswer) -> str:
    """On which side of the screening point the finding is, and which class the model names at one half."""
    half = f"At ½{'' if answer.prevalence is None else ' of the calibrated scale'}: {answer.called}."
    if answer.screening is None:
        return half
    return f"{str(answer.side).capitalize()} the screening point of {point(answer.screening)}. {half}"


def prevalence_words(answer: FindingAnswer) -> str:
    """The probability and predictive values at the clinic's prevalence; empty without one."""
    if answer.prevalence is None:
        return ""
    places = {"screening": "at the screening point", "half": "at ½"}
    worth = [
        f"{places[kind]} "
        + ", ".join(f"{name} {per_cent(v)}" for name, v in zip(("PPV", "NPV"), pair, strict=True) if v is not None)
        for kind, pair in sorted(answer.values.items(), reverse=True)
    ]
    carried = f" If sensitivity and specificity are the same there: {'; '.join(worth)}." if worth else ""
    prevalence = f"{100 * answer.prevalence:g}{PER_CENT}"
    return (
        f"At the clinic's prevalence of {prevalence}: {answer.name} {per_cent(answer.probability)} "
        f"(as calibrated: {per_cent(answer.as_calibrated)}).{carried}"
    )


def cutoff_words(view: DiagnosisView) -> str:
    """What the screening point is for, and the rates measured there and at one half on test images."""
    screening, half, name = view.cutoffs.get("screening"), view.cutoffs.get("half"), view.finding
    sentences = []
    if screening and screening["found"] is not None:
        share = screening["aim"] and per_cent(screening["aim"])
        aim = f"set to detect {share} of validation images with {name}; " if share else ""
        sentences.append(f"The screening point: {aim}on test images its {_found(screening)} (of images without it).")
    if half and half["found"] is not None:
        sentences.append(f"At ½, where the more probable class is named, the {_found(half)}.")
    if sentences:
        whose = " They were measured with the original lists." if view.edited else ""
        sentences.append(f"These rates do not depend on the prevalence.{whose}")
    return " ".join(sentences)


def mix_words(view: DiagnosisView) -> str:
    """The share of the finding among the validation images; empty where it is not known."""
    card, classes = view.task.predictor.vip.card, view.task.classes
    share = mix(card, classes, finding_of(view.task))
    if share is None or view.mode != "vip":
        return ""
    return f"Of the validation images, {per_cent(share)} were labelled {view.finding}."


def stability_words(view: DiagnosisView, doubt: Uncertainty | None) -> str:
    """Whether small changes of the image or the wording change the class, and how often such predictions were right."""
    referral = referral_of(view.task.predictor.vip.card)
    if doubt is None or referral is None or view.mode != "vip" or view.edited:
        return ""
    if doubt.refer:
        return (
            f"Refer to a person: a crop or a rewording changes the class (its probability ranges over "
            f"{per_cent(doubt.low)} to {per_cent(doubt.high)}). The same was true of "
            f"{per_cent(1 - referral['coverage'])} of validation images"
            f"{_right(referral['referred'])}."
        )
    stable = (
        f"The class is stable under {doubt.views} crops and {doubt.wordings} rewordings, as it is for "
        f"{per_cent(referral['coverage'])} of validation images"
    )
    highest = max(view.diagnosis.probabilities.values())
    if highest < SURE:
        return f"{stable}. At a probability of {per_cent(highest)} this says little about whether the class is right."
    return f"{stable}{_right(referral['kept'])}."


def nearest_words(view: DiagnosisView) -> str:
    """The most similar reference images, if most of them belong to another class than the one named."""
    total = sum(view.nearest)
    named = view.task.classes.index(view.diagnosis.prediction)
    most = next((i for i, count in enumerate(view.nearest) if i != named and 2 * count > total), None)
    if most is None:
        return ""
    had, answer = view.task.classes[most], view.task.classes[named]
    return f"Of the {total} most similar reference images, {view.nearest[most]} were labelled {had}, not {answer}."


def refusal_words(view: DiagnosisView) -> str:
    """Why there is no result, and what to do."""
    if view.warning:
        return view.warning
    likely = task_descriptions().get(view.task.key, {}).get("foreign")
    if not likely:
        return ""
    advice = "Check the image. If nothing is wrong with it, this model is not suitable for it."
    return f"Possible reasons: {likely}. {advice}"


def point(value: float) -> str:
    """A cut-off in per cent, with a decimal where it is small."""
    return f"{100 * value:.{1 if value < 0.1 else 0}f}{PER_CENT}"


def _found(cutoff: Json) -> str:
    return f"sensitivity is {per_cent(cutoff['found'])} and the false-positive rate {per_cent(cutoff['false_alarms'])}"


def _right(share: float | None) -> str:
    return "" if share is None else f"; {per_cent(share)} of those were correct"
