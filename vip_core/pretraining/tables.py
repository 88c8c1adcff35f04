"""The alignment of a backbone as tables."""

from collections.abc import Mapping

from rich.table import Table

from vip_core.pretraining.evaluation import Alignment, Ranking, Value
from vip_core.pretraining.phrases import load_phrases
from vip_core.utils.console import console


def rankings_table(title: str, rankings: Mapping[str, Ranking]) -> Table:
    """A row for each comparison."""
    table = Table(title=title, title_justify="left")
    for name in (
        "comparison",
        "n",
        "affirmative phrasings",
        "negated phrasings",
        "lay phrasings",
        "inverted (AUROC < .5)",
    ):
        table.add_column(name)
    for name, ranking in rankings.items():
        values = (_said(value) for value in (ranking.present, ranking.absent, ranking.lay))
        table.add_row(name, f"{ranking.positives} / {ranking.negatives}", *values, str(len(ranking.inverted)))
    return table


def print_alignment(alignment: Alignment) -> None:
    """The figures as tables."""
    images = ", ".join(f"{count} {kind}s" for kind, count in alignment.images.items())
    title = f"AUROC on the {alignment.split} split ({images}), mean over phrasings never trained on"
    table = rankings_table(title, alignment.rankings)
    for word, value in alignment.words.items():
        table.add_row(f"“{word}”", "", _said(value))
    console.print(table)
    for kind, value in alignment.kinds.items():
        console.print(f"{kind}s, mean AUROC of affirmative phrasings: {value:.3f}", markup=False)
    if alignment.attributes is not None:
        console.print(f"Attributes, mean of the five: {alignment.attributes:.3f}")
    table = Table(title="Spearman correlation over images", title_justify="left")
    for name in ("finding", "affirmative phrasings", "negated phrasings", "affirmative with negated"):
        table.add_column(name)
    for finding, value in alignment.negation.items():
        same = (f"{alignment.paraphrases[f'{finding} {side}']:.2f}" for side in ("present", "absent"))
        table.add_row(finding.replace("_", " "), *same, f"{value:.2f}")
    console.print(table)
    console.print(f"Paraphrases, median: {alignment.median_paraphrase:.3f}")
    for kind, share in alignment.modality.items():
        console.print(f"{kind}s whose own modality ranks first: {share:.1%}")
    _print_denials(alignment)
    _print_placement(alignment)
    for name, value in alignment.text.items():
        console.print(f"Text against the sentence encoder, {name}: {value:.3g}")


def _print_denials(alignment: Alignment) -> None:
    for name, denials in alignment.denials.items():
        lists = sum(len(modality.denials) for modality in load_phrases().modalities)
        console.print(
            f"Lists of denied findings, {name} ({denials.without} without / {denials.with_finding} with): "
            f"{_said(denials.value)}, {len(denials.inverted)} of {lists} inverted"
        )


def _print_placement(alignment: Alignment) -> None:
    if not alignment.placement:
        return
    table = Table(title="Share of the positive evidence inside the region of the findings", title_justify="left")
    for name in ("comparison", "n", "median (quartiles)", "spread evenly"):
        table.add_column(name)
    for name, found in alignment.placement.items():
        values = f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"
        table.add_row(name, str(found.n), values, f"{found.area:.2f}")
    console.print(table)


def _said(value: Value | None) -> str:
    return "" if value is None else f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"
