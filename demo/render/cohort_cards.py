"""Pieces of HTML for the Cohort page; every text from outside is escaped here."""

import base64
from html import escape

from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.metrics import Metrics

from ..state.cohort import HALF, Results
from ..state.cohort_table import as_csv
from .cohort_charts import calibration_plot, confusion_table, decision_plot, histogram_plot, roc_plot

INVITATION = "Upload images, or use the reference images. Their results appear here."
NO_CHARTS = "With a labels file, the confusion matrix and the ROC, calibration and decision curves appear here."


def invitation(sentence: str = INVITATION) -> str:
    """What is shown in place of figures."""
    return f'<div class="vip-card vip-empty"><p>{escape(sentence)}</p></div>'


def progress_line(done: int, of: int, sentence: str) -> str:
    """How far the reading is, as a bar and in words."""
    return (
        f'<div class="vip-progress" role="status"><progress value="{done}" max="{of}" aria-label="images read">'
        f"</progress><p>{escape(sentence)}</p></div>"
    )


def said(sentence: str, results: bool = False) -> str:
    """A sentence in place of the progress bar. results: with a link to them, as they are far below on a phone."""
    link = ' <button type="button" class="vip-to-results">See the results</button>' if results else ""
    return f'<div class="vip-progress" role="status"><p>{escape(sentence)}{link}</p></div>'


def summary_card(results: Results, positive: int) -> str:
    """How many images, what the model says, and the figures with their intervals, or why there are none."""
    read = [row for row in results.rows if row.probabilities]
    counts = [sum(row.prediction == c for row in read) for c in range(len(results.classes))]
    says = ", ".join(f"{count} {escape(name)}" for count, name in zip(counts, results.classes, strict=True))
    unlike, unread = sum(row.known is False for row in read), len(results.rows) - len(read)
    parts = [_flow(results), f"<p><b>{_images(len(read))}</b>: {says}.</p>"]
    if unlike:
        parts.append(
            f'<p class="vip-warning">Out of distribution: <b>{_images(unlike)}</b>. Do not interpret their results. '
            f"{_counted(results)}</p>"
        )
    if unread:
        parts.append(f'<p class="vip-warning">{_images(unread)} could not be read; the table says why.</p>')
    parts.append(_figures(results, positive))
    changed = f"Your lists change the class of {results.changed} of {len(read)} images."  # one line, edited or not
    parts.append(f"<p>{'These are the original lists.' if results.original is None else changed}</p>")
    parts += [f'<p class="vip-note">{escape(note)}</p>' for note in results.notes]
    return (
        f'<div class="vip-card vip-summary">{"".join(parts)}'
        '<p class="vip-stale">These results are for the last valid lists.</p></div>'
    )


def _counted(results: Results) -> str:
    """Which figures include out-of-distribution images."""
    if results.figures is None or all(row.known is not False for row in results.counted):
        return ""
    if results.within is None:
        return "The metrics below include these images."
    return "The large numbers below include these images; the small ones do not."


def _flow(results: Results) -> str:
    """How many images are left at each step, from the upload to the figures."""
    read = [row for row in results.rows if row.probabilities]
    steps = [(len(results.rows), "uploaded"), (len(read), "read"), (len(results.counted), "read and labelled")]
    if results.cohort.labels is not None:
        steps[0] = (len(results.rows), "reference images")
    items = "".join(f"<li><b>{count:,}</b> {name}</li>" for count, name in steps)
    return f'<ol class="vip-flow" aria-label="Flow of images">{items}</ol>'


def _figures(results: Results, positive: int) -> str:
    figures = results.figures
    if figures is None:
        if results.refusal:
            return f'<p class="vip-warning">{escape(results.refusal)}</p>'
        return (
            "<p>No image has a label: choose a labels file to see accuracy, sensitivity, specificity and AUROC.</p>"
            if results.labels is None
            else "<p>No label matches an image that could be read, so there are no metrics.</p>"
        )
    before = results.original.figures if results.original is not None else None
    earlier = {} if before is None else _estimates(before, positive)
    within = {} if results.within is None else _estimates(results.within, positive)
    tiles = "".join(
        _tile(title, found, earlier.get(title), within.get(title))
        for title, found in _estimates(figures, positive).items()
    )
    sentence = _sentence(results, figures, positive)
    return f'<p>{sentence}</p><dl class="vip-figures">{tiles}</dl>'


def _estimates(figures: Metrics, positive: int) -> dict[str, Estimate]:
    """What the tiles show, by title."""
    shown = {"Accuracy": figures.accuracy, **_recalls(figures, positive)}
    if figures.auroc is not None:
        shown["AUROC" if len(figures.classes) == 2 else "AUROC, mean over classes"] = figures.auroc
    return shown


def _sentence(results: Results, figures: Metrics, positive: int) -> str:
    counts = ", ".join(
        f"{sum(row)} {escape(name)}" for name, row in zip(figures.classes, figures.confusion, strict=True)
    )
    at = results.asked.threshold
    decided = (
        "The most probable class is predicted."
        if at == HALF
        else f"The prediction is {escape(figures.classes[positive])} at a probability of {at:.3g} or more."
    )
    unit = "" if figures.unit == "image" else f" of {figures.units} patients"
    return f"n = {figures.n} labelled images{unit} ({counts}). {decided} In brackets: 95\u00a0% intervals."


def _recalls(figures: Metrics, positive: int) -> dict[str, Estimate]:
    """Of two classes sensitivity and specificity; of more, each class's sensitivity."""
    name = figures.classes[positive]
    wanted = [(name, f"Sensitivity for {name}")]
    if len(figures.classes) == 2:
        wanted.append((figures.classes[1 - positive], "Specificity"))
    else:
        wanted += [(other, f"Sensitivity for {other}") for other in figures.classes if other != name]
    return {title: figures.recall[key] for key, title in wanted if key in figures.recall}


def _tile(title: str, found: Estimate, before: Estimate | None, within: Estimate | None) -> str:
    brackets = "" if found.interval is None else f"[{found.low:.3f}, {found.high:.3f}]"
    without = "" if within is None else f'<dd class="vip-within">{within.value:.3f} without them</dd>'
    was = "&nbsp;" if before is None else f"was {before.value:.3f}"  # kept, so that nothing moves
    return (
        f"<div><dt>{escape(title)}</dt><dd><b>{found.value:.3f}</b></dd>"
        f'<dd class="vip-interval">{brackets}</dd>{without}{was}</div>'
    )


def _images(number: int) -> str:
    return f"{number:,} image{'' if number == 1 else 's'}"


def charts_card(results: Results | None = None, positive: int = 0) -> str:
    """The charts, each described in words; without labels, how to have them."""
    figures = None if results is None else results.figures
    if results is None or figures is None:
        return f'<div class="vip-charts"><p>{NO_CHARTS}</p></div>'
    parts = [_figure("Confusion matrix", confusion_table(results))]
    if figures.auroc is not None:
        parts.append(_figure("ROC", roc_plot(results, positive)))
    if (found := results.belief) is not None:
        name = escape(found.name)
        parts.append(_figure(f"Calibration of {name}", calibration_plot(found)))
        parts.append(_figure("Probabilities by label", histogram_plot(found)))
        if found.curve is not None:
            parts.append(_figure("Decision curve", decision_plot(found)))
    return f'<div class="vip-charts">{"".join(parts)}</div>'


def _figure(title: str, drawn: str) -> str:
    return f"<figure><figcaption>{title}</figcaption>{drawn}</figure>"


def download_link(results: Results | None = None) -> str:
    """The whole table as CSV, within the link itself, so the server stores no file."""
    if results is None:
        return ""
    data = base64.b64encode(as_csv(results).encode("utf-8-sig")).decode()  # the mark: spreadsheets then read UTF-8
    return (
        '<a class="vip-download" download="cohort-research-use-only.csv" '
        f'href="data:text/csv;charset=utf-8;base64,{data}">Download the table of all images (CSV)</a>'
    )
