"""The slowest part of the Cohort page: figures with intervals, subgroups, and versions of the lists."""

from html import escape

from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.metrics import Metrics
from vip_core.evaluation.positive_class import PositiveClass
from vip_core.evaluation.subgroups import MIN_PER_CLASS, Subgroup

from ..state.cohort_details import Details
from ..state.numbers import number, per_cent

WAITING = '<div class="vip-details"><p>Computing the intervals …</p></div>'


def details_card(details: Details | None) -> str:
    """Calibration and net benefit with intervals, a row per subgroup, a row per version of the lists."""
    if details is None:
        return ""
    parts = [_belief(details.belief)]
    if details.subgroups or details.left_out:
        parts.append(_subgroups(details.subgroups, details.belief.name, details.left_out))
    if details.versions:
        parts.append(_versions(details.versions, details.belief.name))
    return f'<div class="vip-details">{"".join(parts)}</div>'


def _belief(found: PositiveClass) -> str:
    rows: list[tuple[str, Estimate | None]] = [
        ("Brier score (ideal: 0)", found.brier),
        ("Calibration slope (ideal: 1)", found.slope),
        ("Calibration intercept (ideal: 0)", found.intercept),
        (f"Average precision (AUPRC); {number(found.share, 3)} is chance", found.auprc),
    ]
    if (at := found.at_prevalence) is not None:
        where = f"at a prevalence of {per_cent(at.prevalence)}"
        rows += [(f"PPV {where}", at.ppv), (f"NPV {where}", at.npv)]
        if at.corrected_curve is not None:
            rows += [
                (f"PPV {where}, prior corrected", at.corrected_ppv),
                (f"NPV {where}, prior corrected", at.corrected_npv),
            ]
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{_value(value)}</td></tr>' for name, value in rows)
    mean = f"Mean probability {number(found.mean_probability, 3)}; observed share {number(found.share, 3)}."
    reason = f" {found.not_defined}" if found.not_defined else ""
    return (
        f"<h3>Probability of {escape(found.name)}</h3>"
        f"{_table('Probability figures', body)}<p>{escape(mean + reason)} Intervals: 95\u00a0%.</p>"
    )


def _subgroups(groups: list[Subgroup], positive: str, left_out: list[str]) -> str:
    head = ["Column", "Value", "Images", "AUROC", "Accuracy", f"Sensitivity for {positive}"]
    body = []
    for group in groups:
        counts = ", ".join(f"{count} {name}" for name, count in group.counts.items())
        cells = f'<th scope="row">{escape(group.column)}</th><td>{escape(group.value)}</td><td>{escape(counts)}</td>'
        if group.metrics is None:
            cells += f'<td colspan="3">fewer than {MIN_PER_CLASS} images of a class</td>'
        else:
            found = (group.metrics.auroc, group.metrics.accuracy, group.metrics.recall.get(positive))
            cells += "".join(f"<td>{_value(value)}</td>" for value in found)
        body.append(f"<tr>{cells}</tr>")
    note = f"<p>Not shown: {escape(', '.join(left_out))}.</p>" if left_out else ""
    return f"<h3>Subgroups</h3>{_table('Subgroups', ''.join(body), head) if groups else ''}{note}"


def _versions(versions: list[tuple[str, Metrics | str]], positive: str) -> str:
    body = []
    for name, found in versions:
        cells = f'<th scope="row">{escape(name)}</th>'
        if isinstance(found, str):
            cells += f'<td colspan="3">{escape(found)}</td>'
        else:
            values = (found.auroc, found.accuracy, found.recall.get(positive))
            cells += "".join(f"<td>{_value(value)}</td>" for value in values)
        body.append(f"<tr>{cells}</tr>")
    head = ["Version of the lists", "AUROC", "Accuracy", f"Sensitivity for {positive}"]
    return f"<h3>Versions on these images</h3>{_table('Versions', ''.join(body), head)}"


def _table(label: str, body: str, head: list[str] | None = None) -> str:
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head or ())
    top = f"<thead><tr>{top}</tr></thead>" if top else ""
    return (
        f'<div class="vip-scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table>{top}<tbody>{body}</tbody></table></div>"
    )


def _value(found: Estimate | None) -> str:
    if found is None:
        return "–"
    if found.interval is None:
        return number(found.value, 3)
    low, high = found.interval
    return f"{number(found.value, 3)} <small>({number(low, 3)} to {number(high, 3)})</small>"
