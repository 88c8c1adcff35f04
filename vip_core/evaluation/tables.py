"""An evaluation as tables in the terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vip_core.data.near_duplicates import describe_pairs
from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.measure import Evaluation
from vip_core.evaluation.metrics import Metrics
from vip_core.evaluation.positive_class import AtPrevalence
from vip_core.evaluation.report import Report
from vip_core.models.card import Learning

TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "f1_macro": "F1, mean of the classes"}


def print_evaluation(console: Console, title: str, result: Evaluation, positive: str | None = None) -> None:
    """Each figure with its 95 % interval, and the confusion matrix.

    positive: the class whose threshold is named, the second by default.
    """
    metrics = result.metrics
    table = _three_columns(f"{title} (n = {metrics.n})", "Figure")
    _add(table, "AUROC", metrics.auroc)
    for name, found in metrics.auroc_by_class.items():
        _add(table, f"AUROC of {name}", found)
    for name, words in TITLES.items():
        _add(table, words, getattr(metrics, name))
    for name, found in metrics.recall.items():
        _add(table, f"recall of {name}", found)
    table.add_row("expected calibration error", f"{metrics.ece:.3f}", "")
    if moved := result.at_threshold:
        name = positive if positive in moved.thresholds else metrics.classes[1]
        at = f"predicting {name} at a probability of at least {moved.thresholds[name]:.3f}"
        _add(table, f"accuracy, {at}", moved.metrics.accuracy)
        for other, found in moved.metrics.recall.items():
            _add(table, f"recall of {other}, {at}", found)
    for name, found in result.subtypes.items():
        _add(table, f"accuracy on {name} (n = {found.n})", found)
    console.print(table)
    console.print(f"Intervals: {describe_units(metrics)}.", highlight=False)
    _print_confusion(console, metrics)


def print_report(console: Console, report: Report) -> None:
    """The evaluation, then what depends on the positive class, subgroups, labelled symptoms and comparisons."""
    title = f"{report.model} on {report.data}, {report.split}"
    print_evaluation(console, title, report.evaluation, report.positive.name)
    already = {"AUROC", "AUROC, mean of the classes", *TITLES.values()}
    table = _three_columns(f"Probability of {report.positive.name}", "Figure")
    for name, found in report.figures():
        if name not in already and not name.startswith(("recall of", "AUROC of")):
            _add(table, name, found, "not defined")
    console.print(table)
    if report.positive.not_defined:
        console.print(report.positive.not_defined, markup=False, highlight=False)
    if at := report.positive.at_prevalence:
        _print_net_benefit(console, at)
    if report.near_duplicates is not None:
        for line in describe_pairs(report.near_duplicates):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if report.subgroups:
        table = _three_columns("AUROC by subgroup", "Subgroup")
        for group in report.subgroups:
            name = f"{group.column}: {group.value} (n = {sum(group.counts.values())})"
            _add(table, name, None if group.metrics is None else group.metrics.auroc, "under 10 images of a class")
        console.print(table)
    if report.symptoms:
        table = _three_columns("AUROC of a symptom, by the column that labels it", "Symptom")
        for symptom in report.symptoms:
            _add(table, f"{symptom.symptom} ({symptom.column})", symptom.auroc, "under 10 images of a kind")
        console.print(table)
    if report.comparison:
        _print_comparison(console, report)


def _print_net_benefit(console: Console, at: AtPrevalence) -> None:
    if at.curve is None:
        return
    table = Table(title=f"Net benefit at a prevalence of {at.prevalence:g}", title_justify="left")
    for name in ("Threshold", "Uncorrected", "Prior corrected", "Treat all"):
        table.add_column(name, justify="right")
    for threshold in (0.05, 0.1, 0.2, 0.3, 0.5):
        fixed = "–" if at.corrected_curve is None else f"{at.corrected_curve.at(threshold):+.3f}"
        everyone = at.curve.treat_all[round(threshold * 100) - 1]
        table.add_row(f"{threshold:.2f}", f"{at.curve.at(threshold):+.3f}", fixed, f"{everyone:+.3f}")
    console.print(table)


def _print_comparison(console: Console, report: Report) -> None:
    table = Table(title=escape(f"Difference from {report.compared_with}"), title_justify="left")
    for name in ("Question", "Test", "Difference", "95 % interval", "p", "p, Holm"):
        table.add_column(name)
    for test in report.comparison:
        interval = test.difference.interval
        table.add_row(
            escape(test.question),
            test.name,
            f"{test.difference.value:+.3f}",
            "all resamples agree" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}",
            *("–" if p is None else f"{p:.2g}" for p in (test.p, test.holm)),
        )
    console.print(table)


def _three_columns(title: str, first: str) -> Table:
    table = Table(title=escape(title), title_justify="left")
    table.add_column(first)
    table.add_column("Value", justify="right")
    table.add_column("95 % interval", justify="right")
    return table


def describe_units(metrics: Metrics) -> str:
    """What the intervals take as independent, in words."""
    if metrics.unit == "image":
        return f"{metrics.n:,} images, each treated as independent"
    return f"{metrics.units:,} patients; the images of a patient are resampled together"


def _add(table: Table, name: str, found: Estimate | None, why: str = "needs two classes") -> None:
    if found is None:
        table.add_row(escape(name), "–", why)
    elif found.low is None or found.high is None:
        table.add_row(escape(name), f"{found.value:.3f}", "all resamples agree")
    else:
        table.add_row(escape(name), f"{found.value:.3f}", f"{found.low:.3f} to {found.high:.3f}")


def _print_confusion(console: Console, metrics: Metrics) -> None:
    table = Table(title="Images by true class (rows) and prediction (columns)", title_justify="left")
    table.add_column("")
    for name in metrics.classes:
        table.add_column(escape(name), justify="right")
    for name, counts in zip(metrics.classes, metrics.confusion, strict=True):
        table.add_row(escape(name), *map(str, counts))
    console.print(table)


def print_learning(console: Console, learning: Learning, auroc: Mapping[str, float | None]) -> None:
    """What a run did: its epochs, the probe beside the model, what the symptoms mean, and its warnings.

    Args:
        console: to print to.
        learning: of the card.
        auroc: of the model, by split.
    """
    table = Table(title="What training did", title_justify="left")
    for column in ("Epoch", "Training loss", "Validation accuracy", "Validation loss"):
        table.add_column(column, justify="left" if column == "Epoch" else "right")
    for name, epoch in learning.epochs.items():
        number = f" ({learning.kept_epoch})" if name == "kept" else ""
        table.add_row(name + number, f"{epoch.loss:.3f}", f"{epoch.val_accuracy:.3f}", f"{epoch.val_loss:.3f}")
    console.print(table)
    for sentence in learning_sentences(learning, auroc):
        console.print(escape(sentence), highlight=False)
    for warning in learning.warnings:
        console.print(f"[bold]Warning:[/bold] {escape(warning)}", highlight=False)


def learning_sentences(learning: Learning, auroc: Mapping[str, float | None]) -> list[str]:
    """The probe beside the model, and what the symptoms mean, in sentences."""
    sentences = [
        f"AUROC, {split}: {own:.3f}; of a logistic regression on the same image features: {probe:.3f}."
        for split, probe in learning.probe.items()
        if probe is not None and (own := auroc.get(split)) is not None
    ]
    before, after = learning.before, learning.after
    if before.line_correlation is not None and after.line_correlation is not None:
        sentences.append(
            "Mean correlation between the symptoms of a class: "
            f"{before.line_correlation:.2f} before training, {after.line_correlation:.2f} after."
        )
    for finding in before.findings.keys() & after.findings.keys():
        pairs = zip(before.findings[finding], after.findings[finding], strict=False)
        found = ", ".join(f"{first:.3f} before training, {last:.3f} after" for first, last in pairs)
        sentences.append(f"AUROC of two sentences about {finding.replace('_', ' ')}: {found}.")
    return sorted(sentences, key=lambda sentence: sentence.startswith("AUROC of two"))
