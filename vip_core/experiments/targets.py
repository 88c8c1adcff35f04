"""The targets of an experiment: each trains the missing runs, and writes its table or figure."""

from collections.abc import Callable
from pathlib import Path

from vip_core.errors import UsageError
from vip_core.experiments import figures, plan
from vip_core.experiments.config import ExperimentConfig
from vip_core.experiments.material import Material
from vip_core.experiments.split_file import copies_on_both_sides, patients_on_both_sides
from vip_core.experiments.tables import write_table
from vip_core.utils.distributed import joined, world

RATE_NOTE = (
    "Every method was trained on the same images, random views, batches and seeds, for the same number of epochs, and "
    "the best epoch was chosen by validation accuracy, unless stated below. The learning rate was chosen by validation "
    "AUROC with the first seed. Nothing was chosen on test images."
)
TESTS_NOTE = (
    "Tests compare with the first row, on probabilities averaged over the seeds; p-values have Holm's correction over "
    "both tests of all rows, the interval of the difference (DeLong) has none. Images count as independent, also those "
    "of one patient. ± is the standard deviation over seeds (n - 1). Predictions that follow swapped symptoms are "
    "counted for ViP only."
)

SHOTS_NOTE = "The learning rate of each method is the one that was chosen with all images."
WITH_METHODS = ("table1", "shots", "all")  # the other targets have methods of their own


def _notes(material: Material) -> list[str]:
    notes = [RATE_NOTE, TESTS_NOTE]
    if material.config.split_file is not None:
        patients, copies = patients_on_both_sides(material.data), copies_on_both_sides(material.data)
        notes.append(
            f"Splits of {material.config.split_file.name}: {patients} patients have images in two of them, and "
            f"{copies} images have a copy in another."
        )
    return notes


def _title(material: Material, name: str, shots: int | None = None) -> str:
    config = material.config.train
    used = material.images(shots, material.config.seeds[0])
    images = len(used.train), len(used.val_rows), len(material.test.labels)
    counts = "{} train, {} val and {} test images".format(*images)
    return f"{name}: {config.data} on {config.backbone} ({counts}; {config.epochs} epochs)"


def table1(material: Material, folder: Path) -> None:
    """All methods."""
    write_table(folder / "table1", plan.table1(material), _title(material, "Table 1"), _notes(material))


def table2(material: Material, folder: Path) -> None:
    """Context prompt and merge prompt, tokens without symptoms, random words in place of the symptoms."""
    entries = plan.table2(material)
    vip = next(each for each in entries if each.name == "vip")
    ordered = [vip, *(each for each in entries if each is not vip)]
    write_table(folder / "table2", ordered, _title(material, "Table 2"), _notes(material))


def shots(material: Material, folder: Path) -> None:
    """Few-shot curves."""
    curves = plan.few_shot_entries(material)
    notes = _notes(material)
    for number, entries in curves.items():
        title = _title(material, f"{number or 'All'} images per class", number)
        own = [] if number is None else [SHOTS_NOTE]
        write_table(folder / f"shots-{number or 'all'}", entries, title, [*notes, *own])
    figures.save(figures.shots_figure(curves), folder, "shots")


def figure1(material: Material, folder: Path) -> None:
    """The pipeline with its shapes."""
    figures.save(figures.figure1(material), folder, "figure1")


def figure2(material: Material, folder: Path) -> None:
    """The symptoms."""
    figures.save(figures.figure2(material.symptoms), folder, "figure2")


def figure3(material: Material, folder: Path) -> None:
    """Names against symptoms, zero-shot, and one diagnosis."""
    names, symptoms = (plan.entry(f"zero-shot-{kind}", material) for kind in ("names", "symptoms"))
    figures.save(figures.figure3(names, symptoms, material), folder, "figure3")


def figure4(material: Material, folder: Path) -> None:
    """The most confident zero-shot failures."""
    figures.save(figures.figure4(plan.entry("zero-shot-symptoms", material), material), folder, "figure4")


def figure5(material: Material, folder: Path) -> None:
    """Kinds of knowledge."""
    kinds = plan.figure5(material)
    entries = [entry for pair in kinds.values() for entry in pair]
    vip = next(each for each in entries if each.name == "vip")
    ordered = [vip, *(each for each in entries if each is not vip)]
    write_table(folder / "figure5", ordered, _title(material, "Figure 5"), _notes(material))
    figures.save(figures.figure5(kinds), folder, "figure5")


TARGETS: dict[str, Callable[[Material, Path], None]] = {
    "table1": table1,
    "table2": table2,
    "shots": shots,
    "figure1": figure1,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
    "figure5": figure5,
}


def experiment(target: str, config: ExperimentConfig) -> Path:
    """Run a target, or "all" of them. Returns the folder of the results.

    Raises:
        ViPError: data, backbone or settings that cannot be used; what was run before is kept.
    """
    if config.methods and target not in WITH_METHODS:
        raise UsageError(f"{target} has methods of its own; --methods is for {', '.join(WITH_METHODS)}.")
    with joined():
        if config.jobs > 1 and world() > 1:
            raise UsageError("Under torchrun, leave --jobs out.")
        material = Material(config)
        for name in TARGETS if target == "all" else (target,):
            TARGETS[name](material, config.folder)
    return config.folder
