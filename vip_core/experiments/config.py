"""The settings of an experiment: those that all its runs share, and those of one run."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vip_core.baselines.registry import METHODS, Method
from vip_core.errors import UsageError
from vip_core.training.config import TrainConfig

SHOTS = (1, 2, 4, 8, 16)
RATES = (1e-3, 2e-3)  # beside the published one: the paper's for the others, and for itself
# vip-mini's magnitudes make such rates about 28 times weaker (docs/method.md), so the grid of every method continues.
MORE_RATES = {"vip-mini": (2e-2, 2e-1, 2.0)}


@dataclass(frozen=True)
class ExperimentConfig:
    """The settings that all runs share.

    Attributes:
        train: data, backbone, epochs, views and the rest of a training; seed, rate and shots are each run's own.
        seeds: of the runs. The learning rate is chosen with the first.
        methods: keys of METHODS, or empty for those of the table that is asked for.
        out: the folder of results; BACKBONE/DATA is added to it.
        split_file: a JSON with the authors' train, val and test lists, or None for the data set's own split.
        jobs: runs that are trained at a time.

    Raises:
        UsageError: an unknown method, no seed, a seed out of range, or one that is given twice.
    """

    train: TrainConfig
    seeds: tuple[int, ...] = (1, 2, 3)
    methods: tuple[str, ...] = ()
    out: Path = Path("results")
    split_file: Path | None = None
    jobs: int = 1

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in METHODS:
                raise UsageError(f"There is no method {name}; choose from {', '.join(METHODS)}.")
        if not self.seeds:
            raise UsageError("An experiment needs at least one seed; give --seeds 1 2 3.")
        if len(set(self.seeds)) < len(self.seeds):
            raise UsageError("A seed is given twice, which would count its run twice; give each seed once.")
        for seed in self.seeds:
            dataclasses.replace(self.train, seed=seed)  # checks its range

    @property
    def folder(self) -> Path:
        """out/BACKBONE/DATA."""
        name = self.train.backbone.removeprefix("local-dir:").removeprefix("hf-hub:").rstrip("/")
        return self.out / Path(name).name / self.train.data

    def rates(self, method: Method) -> tuple[float, ...]:
        """The learning rates of which validation images choose one; none where no gradient step is made."""
        if method.rate is None or method.rates:
            return method.rates
        return tuple(dict.fromkeys((method.rate, *RATES, *MORE_RATES.get(self.train.backbone, ()))))


def row_name(method: str, knowledge: str) -> str:
    """Of a row of a table: the method, and the kind of knowledge where it is not the visual symptoms."""
    return method if knowledge == "visual" else f"{method}-{knowledge}"


@dataclass(frozen=True)
class RunSpec:
    """What makes one run.

    Attributes:
        method: a key of METHODS.
        seed: of everything random.
        rate: peak learning rate; None where nothing is trained by gradient steps.
        shots: images per class to train on; None: all.
        knowledge: the content of the prompts, a key of `knowledge_sets`.
    """

    method: str
    seed: int
    rate: float | None = None
    shots: int | None = None
    knowledge: str = "visual"

    @property
    def name(self) -> str:
        """The name of its folder."""
        parts = [row_name(self.method, self.knowledge)]
        if self.shots is not None:
            parts.append(f"{self.shots}shot")
        if self.rate is not None:
            parts.append(f"rate{self.rate:g}")
        return "-".join([*parts, f"seed{self.seed}"])

    def own_settings(self, shared: TrainConfig) -> dict[str, Any]:
        """The settings in which the method's training differs from the shared ones."""
        method = METHODS[self.method]
        if method.epoch_share == 1:
            return dict(method.settings)
        return {**method.settings, "epochs": max(1, round(method.epoch_share * shared.epochs))}

    def train_config(self, shared: TrainConfig) -> TrainConfig:
        """The training configuration of the run."""
        rate = shared.rate if self.rate is None else self.rate
        changes = {**self.own_settings(shared), "seed": self.seed, "rate": rate, "shots": self.shots}
        return dataclasses.replace(shared, **changes)
