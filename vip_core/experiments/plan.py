"""Which runs an experiment needs: the learning rate chosen on validation images with the first seed, then all seeds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from vip_core.baselines.registry import METHODS
from vip_core.experiments.config import SHOTS, RunSpec, row_name
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
        name, label: as those of the request.
        runs: one per seed; none where the method cannot run.
        tried: runs of the first seed with all images and the visual symptoms, one per learning rate; none in a row that
            takes over the rate of another.
        note: why the method cannot run, or empty.
    """

    name: str
    label: str
    runs: tuple[RunResult, ...]
    tried: tuple[RunResult, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Request:
    """A row that is asked for; see `RunSpec` for the fields."""

    method: str
    shots: int | None = None
    knowledge: str = "visual"

    @property
    def name(self) -> str:
        """Of the row, in tables."""
        return row_name(self.method, self.knowledge)

    @property
    def label(self) -> str:
        """The same for people."""
        label = METHODS[self.method].label
        return label if self.knowledge == "visual" else f"{label}, {LABELS[self.knowledge].lower()}"


def entry(method: str, material: Material, shots: int | None = None, knowledge: str = "visual") -> Entry:
    """One row; see `entries`."""
    return entries([Request(method, shots, knowledge)], material)[0]


def entries(requests: Sequence[Request], material: Material) -> list[Entry]:
    """Run what is missing of the rows, and choose each method's learning rate by AUROC on validation images.

    Of equal AUROCs the smaller rate wins. Few-shot runs and other kinds of knowledge use the rate that was chosen with
    all images and the visual symptoms. All rates of all methods are one pool of runs, and so are all seeds.
    """
    methods = dict.fromkeys(request.method for request in requests)
    reasons = {method: can_run(method, material) for method in methods}
    rates = [spec for method in methods if reasons[method] is None for spec in _rate_specs(method, material)]
    tried: dict[str, list[RunResult]] = {method: [] for method in methods}
    for result in _run_all(rates, material):
        tried[result.spec.method].append(result)
    best = {method: max(found, key=_validated).spec.rate for method, found in tried.items() if found}
    specs = {
        request: [
            RunSpec(request.method, seed, best.get(request.method), request.shots, request.knowledge)
            for seed in material.config.seeds
        ]
        for request in requests
        if reasons[request.method] is None
    }
    results = {result.spec: result for result in _run_all(chain.from_iterable(specs.values()), material)}
    return [
        Entry(
            request.name,
            request.label,
            tuple(results[spec] for spec in specs.get(request, ())),
            tuple(tried[request.method]) if request == Request(request.method) else (),
            reasons[request.method] or "",
        )
        for request in requests
    ]


def _validated(result: RunResult) -> tuple[float, float]:
    """What the chosen learning rate has the highest of."""
    return round(result.val_auroc, 12), -(result.spec.rate or 0)


def _rate_specs(method: str, material: Material) -> list[RunSpec]:
    return [RunSpec(method, material.config.seeds[0], rate) for rate in material.config.rates(METHODS[method])]


def _run_all(specs: Iterable[RunSpec], material: Material) -> Iterator[RunResult]:
    for result in run_all(specs, material):
        console.print(f"{result.spec.name}: validation AUROC {result.val_auroc:.3f}, {result.info['seconds']:.0f} s")
        yield result


def table1(material: Material) -> list[Entry]:
    """All methods, or those of the configuration; ViP always, since the others are tested against it."""
    names = material.config.methods or TABLE1
    return entries([Request(name) for name in dict.fromkeys(("vip", *names))], material)


def table2(material: Material) -> list[Entry]:
    """The ablations: context prompt, merge prompt, its tokens alone, exchanged lists, the adapter, and random words."""
    ablations = [Request(name) for name in TABLE2]
    return entries([*ablations, *(Request(name, knowledge="random") for name in ("vip", "vip-adapter"))], material)


def few_shot_entries(material: Material) -> dict[int | None, list[Entry]]:
    """The methods of the curves by number of shots, ViP always; None is all images."""
    names = tuple(dict.fromkeys(("vip", *(material.config.methods or FEW_SHOT))))
    requests = [Request(name, shots) for shots in (*SHOTS, None) for name in names]
    found = dict(zip(requests, entries(requests, material), strict=True))
    return {shots: [found[Request(name, shots)] for name in names] for shots in (*SHOTS, None)}


def figure5(material: Material) -> dict[str, tuple[Entry, Entry]]:
    """Zero-shot and trained entries by kind of knowledge."""
    known = knowledge_sets(material.symptoms, material.config.train.data, seed=1)
    kinds = [kind for kind in LABELS if kind in known]
    requests = [Request(name, knowledge=kind) for name in ("zero-shot-symptoms", "vip") for kind in kinds]
    found = entries(requests, material)
    return dict(zip(kinds, zip(found[: len(kinds)], found[len(kinds) :], strict=True), strict=True))
