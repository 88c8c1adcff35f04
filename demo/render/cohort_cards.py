"""Pieces of HTML for the Cohort page; every text from outside is escaped here."""

import base64
from html import escape

from matplotlib.figure import Figure

from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.metrics import Metrics

from ..render.charts import svg
from ..render.cohort_charts import COHORT_WIDTH, MAX_CLASSES, confusion_matrix, roc_curves
from ..state.cohort import Results, as_csv

INVITATION = "Upload images, or take the reference images: what the model makes of all of them stands here."
NO_CHARTS = "With a labels file a confusion matrix and a ROC plot stand here."
DECIDED = "The most probable class is taken."


def invitation(sentence: str = INVITATION) -> str:
    """What stands in place of figures."""
    return f'<div class="vip-card vip-empty"><p>{escape(sentence)}</p></div>'


def progress_line(done: int, of: int, sentence: str) -> str:
    """How far the reading is, as a bar and in words."""
    return (
        f'<div class="vip-progress" role="status"><progress value="{done}" max="{of}" aria-label="images read">'
        f"</progress><p>{escape(sentence)}</p></div>"
    )


def said(sentence: str) -> str:
    """A sentence where the progress stood."""
    return f'<div class="vip-progress" role="status"><p>{escape(sentence)}</p></div>'


def summary_card(results: Results, positive: int) -> str:
    """How many images, what the model says, and the figures with their intervals, or why there are none."""
    read = [row for row in results.rows if row.probabilities]
    counts = [sum(row.prediction == c for row in read) for c in range(len(results.classes))]
    says = ", ".join(f"{count} {escape(name)}" for count, name in zip(counts, results.classes, strict=True))
    unlike, unread = sum(row.known is False for row in read), len(results.rows) - len(read)
    parts = [f"<p><b>{_images(len(read))}</b>: {says}.</p>"]
    if unlike:
        parts.append(
            f'<p class="vip-warning"><b>{_images(unlike)}</b> unlike anything the model knows: '
            "what it says of them means nothing, though the figures count them.</p>"
        )
    if unread:
        parts.append(f'<p class="vip-warning">{_images(unread)} could not be read; the table says why.</p>')
    parts.append(_figures(results, positive))
    changed = f"Your lists change the class of {results.changed} of {len(read)} images."  # one line, edited or not
    parts.append(f"<p>{'These are the original lists.' if results.original is None else changed}</p>")
    parts += [f'<p class="vip-note">{escape(note)}</p>' for note in results.notes]
    return (
        f'<div class="vip-card vip-summary">{"".join(parts)}'
        '<p class="vip-stale">This is the result of the last lists that could be used.</p></div>'
    )


def _figures(results: Results, positive: int) -> str:
    figures = results.figures
    if figures is None:
        return (
            "<p>No image has a label: choose a labels file to see accuracy, sensitivity, specificity and AUROC.</p>"
            if results.labels is None
            else "<p>No label fits an image that could be read, so there are no figures.</p>"
        )
    before = results.original.figures if results.original is not None else None
    earlier = {} if before is None else _estimates(before, positive)
    tiles = "".join(_tile(title, found, earlier.get(title)) for title, found in _estimates(figures, positive).items())
    return f'<p>{_sentence(figures)}</p><dl class="vip-figures">{tiles}</dl>{_belief(results)}'


def _belief(results: Results) -> str:
    """How far the probabilities can be trusted, in a sentence; the numbers are those of `vip evaluate`."""
    found = results.belief
    if found is None:
        return ""
    known = {
        "Brier score": found.brier,
        "average precision": found.auprc,
        "calibration slope (1 is right)": found.slope,
        "calibration intercept (0 is right)": found.intercept,
    }
    values = [f"{name} {value.value:.3f}".replace("-", "−") for name, value in known.items() if value is not None]
    return f"<p>Probability of {escape(found.name)}: {', '.join(values)}.</p>"


def _estimates(figures: Metrics, positive: int) -> dict[str, Estimate]:
    """What the tiles show, by title."""
    shown = {"Accuracy": figures.accuracy, **_recalls(figures, positive)}
    if figures.auroc is not None:
        shown["AUROC" if len(figures.classes) == 2 else "AUROC, mean of classes"] = figures.auroc
    return shown


def _sentence(figures: Metrics) -> str:
    present = [name for name, row in zip(figures.classes, figures.confusion, strict=True) if sum(row)]
    absent = [name for name in figures.classes if name not in present]
    counts = ", ".join(
        f"{sum(row)} {escape(name)}" for name, row in zip(figures.classes, figures.confusion, strict=True) if sum(row)
    )
    text = f"n = {figures.n} labelled images ({counts}). {DECIDED} In brackets: 95 % intervals."
    if not absent:
        return text
    if len(present) == 1:
        return (
            f"n = {figures.n}, and all labels are “{escape(present[0])}”: without images of another class there is no "
            "AUROC, and nothing can be said of how often that class is called wrongly. In brackets: 95 % intervals."
        )
    missing = ", ".join(f"“{escape(name)}”" for name in absent)
    return f"{text} No label is {missing}, so nothing is said of that."


def _recalls(figures: Metrics, positive: int) -> dict[str, Estimate]:
    """Of two classes sensitivity and specificity; of more, each class's sensitivity."""
    name = figures.classes[positive]
    wanted = [(name, f"Sensitivity to {name}")]
    if len(figures.classes) == 2:
        wanted.append((figures.classes[1 - positive], "Specificity"))
    else:
        wanted += [(other, f"Sensitivity to {other}") for other in figures.classes if other != name]
    return {title: figures.recall[key] for key, title in wanted if key in figures.recall}


def _tile(title: str, found: Estimate, before: Estimate | None) -> str:
    brackets = "" if found.interval is None else f"[{found.low:.3f}, {found.high:.3f}]"
    was = "&nbsp;" if before is None else f"was {before.value:.3f}"  # kept, so that nothing moves
    return (
        f"<div><dt>{escape(title)}</dt><dd><b>{found.value:.3f}</b></dd>"
        f'<dd class="vip-interval">{brackets}</dd>{was}</div>'
    )


def _images(number: int) -> str:
    return f"{number:,} image{'' if number == 1 else 's'}"


def charts_card(results: Results | None = None, positive: int = 0) -> str:
    """Confusion matrix and ROC plot, each described in words; without labels, how to have them."""
    figures = None if results is None else results.figures
    if results is None or figures is None or len(results.classes) > MAX_CLASSES:
        return f'<div class="vip-charts"><p>{NO_CHARTS}</p></div>'
    cells = "; ".join(
        f"labelled {name}: "
        + ", ".join(f"{count} as {other}" for count, other in zip(row, figures.classes, strict=True))
        for name, row in zip(figures.classes, figures.confusion, strict=True)
    )
    parts = [_figure("Confusion matrix", confusion_matrix(results), f"Counts of predicted classes. {cells}.")]
    if figures.auroc is not None:
        words = f"Sensitivity against false alarms at every threshold; the area under it is {figures.auroc.value:.3f}."
        parts.append(_figure("ROC", roc_curves(results, positive), words))
    return f'<div class="vip-charts">{"".join(parts)}</div>'


def _figure(title: str, figure: Figure, words: str) -> str:
    picture = base64.b64encode(svg(figure)).decode()
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<img width="{COHORT_WIDTH}" height="{figure.get_figheight() * 72:.0f}" '
        f'decoding="sync" src="data:image/svg+xml;base64,{picture}" alt="{escape(words)}"></figure>'
    )


def download_link(results: Results | None = None) -> str:
    """The whole table as CSV, within the link itself: no file of it lies on the server."""
    if results is None:
        return ""
    data = base64.b64encode(as_csv(results).encode("utf-8-sig")).decode()  # the mark: spreadsheets then read UTF-8
    return (
        '<a class="vip-download" download="cohort-research-use-only.csv" '
        f'href="data:text/csv;charset=utf-8;base64,{data}">Download the table of all images (CSV)</a>'
    )
