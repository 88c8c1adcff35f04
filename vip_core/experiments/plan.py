"""Which runs an experiment needs: the learning rate chosen on validation images with the first seed, then all seeds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from vip_core.baselines.registry import METHODS
from vip_core.experiments.config import SHOTS, RunSpec
from vip_core.experiments.knowledge import LABELS, knowledge_sets
from vip_core.experiments.material import Material
from vip_core.experiments.pool import run_all
from vip_core.experiments.runs import RunResult, can_run
from vip_core.utils.console import console

TABLE1 = (
    "vip",
    "zero-shot-names",
    "zero-shot-ensemble",
    "zero-shot-symptoms",
    "linear-probe",
    "coop",
    "coop-csc",
    "cocoop",
    "bayesian",
    "maple",
    "tip-adapter",
    "tip-adapter-f",
    "clip-adapter",
    "kgcoop",
    "biomedcoop",
    "fine-tuned",
)
TABLE2 = (
    "zero-shot-symptoms",
    "context-only",
    "merge-only",
    "vip",
    "tokens-only",
    "vip-swap",
    "vip-adapter",
    "vip-adapter-no-swap",
)
FEW_SHOT = ("vip", "linear-probe", "coop", "kgcoop", "tip-adapter-f", "clip-adapter")


@dataclass(frozen=True)
class Entry:
    """A row of a table: a label, the runs of all seeds, and what was tried to choose the learning rate.

    Attributes:
        name: of the method, and the kind of knowledge where it is not the visual symptoms.
        label: for people.
        runs: one per seed; none where the method cannot run.
        tried: runs of the first seed, one per learning rate.
        note: why the method cannot run, or empty.
    """

    name: str
    label: str
    runs: tuple[RunResult, ...]
    tried: tuple[RunResult, ...] = ()
    note: str = ""


def entry(method: str, material: Material, shots: int | None = None, knowledge: str = "visual") -> Entry:
    """Run what is missing of a method, and choose its learning rate by AUROC on validation images.

    Of equal AUROCs the smaller rate wins. Few-shot runs and other kinds of knowledge use the rate that was chosen with
    all images and the visual symptoms.
    """
    kinds = "" if knowledge == "visual" else f", {LABELS[knowledge].lower()}"
    name, label = method if not kinds else f"{method}-{knowledge}", METHODS[method].label + kinds
    if (reason := can_run(method, material)) is not None:
        return Entry(name, label, (), note=reason)
    tried = _tried(method, material)
    rate = None
    if tried:
        rate = max(tried, key=lambda result: (round(result.val_auroc, 12), -(result.spec.rate or 0))).spec.rate
    specs = [RunSpec(method, seed, rate, shots, knowledge) for seed in material.config.seeds]
    return Entry(name, label, tuple(_run_all(specs, material)), tried)


def _tried(method: str, material: Material) -> tuple[RunResult, ...]:
    published = METHODS[method].rate
    if published is None:
        return ()
    first = RunSpec(method, material.config.seeds[0])
    return tuple(_run_all((replace(first, rate=rate) for rate in material.config.rates(published)), material))


def _run_all(specs: Iterable[RunSpec], material: Material) -> Iterator[RunResult]:
    for result in run_all(specs, material):
        console.print(f"{result.spec.name}: validation AUROC {result.val_auroc:.3f}, {result.info['seconds']:.0f} s")
        yield result


def table1(material: Material) -> list[Entry]:
    """All methods, or those of the configuration; ViP always, since the others are tested against it."""
    names = material.config.methods or TABLE1
    return [entry(name, material) for name in dict.fromkeys(("vip", *names))]


def table2(material: Material) -> list[Entry]:
    """The ablations: context prompt, merge prompt, its tokens alone, exchanged lists, the adapter, and random words."""
    entries = [entry(name, material) for name in TABLE2]
    return [*entries, *(entry(name, material, knowledge="random") for name in ("vip", "vip-adapter"))]


def few_shot_entries(material: Material) -> dict[int | None, list[Entry]]:
    """The methods of the curves by number of shots; None is all images."""
    names = material.config.methods or FEW_SHOT
    return {shots: [entry(name, material, shots) for name in names] for shots in (*SHOTS, None)}


def figure5(material: Material) -> dict[str, tuple[Entry, Entry]]:
    """Zero-shot and trained entries by kind of knowledge."""
    kinds = knowledge_sets(material.symptoms, material.config.train.data, seed=1)
    return {
        kind: (entry("zero-shot-symptoms", material, knowledge=kind), entry("vip", material, knowledge=kind))
        for kind in LABELS
        if kind in kinds
    }
