"""An experiment from images to tables: complete, repeated in no part, resumed after a kill, alike for a seed."""

import csv
import json
import shutil
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from tests.experiments.conftest import files
from tests.processes import start, wait_until
from vip_core.baselines import registry
from vip_core.baselines.fine_tuned import FineTunedTower
from vip_core.errors import CheckpointError, DataError, UsageError
from vip_core.experiments import runs
from vip_core.experiments.config import ExperimentConfig, RunSpec
from vip_core.experiments.material import Material
from vip_core.experiments.targets import experiment
from vip_core.symptoms import SymptomSet
from vip_core.training import loop

METHODS = ("zero-shot-names", "linear-probe", "coop", "bayesian", "tip-adapter-f", "maple")


def without_seconds(tables):
    """Tables without what a clock says."""
    kept = {}
    for name, content in tables.items():
        lines = content.decode().splitlines()
        if name.endswith(".csv"):
            place = lines[0].split(",").index("seconds")
            kept[name] = [[cell for i, cell in enumerate(line.split(",")) if i != place] for line in lines]
        else:
            kept[name] = [line.rsplit("|", 2)[0] for line in lines]
    return kept


def test_table1_has_a_row_per_method_and_seed_from_predictions_alone(config):
    folder = experiment("table1", config(methods=METHODS))
    with (folder / "table1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["seed"]) for row in rows] == [(m, s) for m in ("vip", *METHODS) for s in ("1", "2")]
    for row in rows:
        name = "-".join([row["method"], *([f"rate{row['rate']}"] if row["rate"] else []), f"seed{row['seed']}"])
        with np.load(folder / "runs" / name / "predictions.npz") as found:
            probabilities, labels = found["test"], found["test_labels"]
        np.testing.assert_allclose(probabilities.sum(1), 1)
        assert float(row["auroc"]) == pytest.approx(roc_auc_score(labels, probabilities[:, 1]), abs=1e-4)
        assert float(row["accuracy"]) == pytest.approx((probabilities.argmax(1) == labels).mean(), abs=1e-4)
        assert int(row["n"]) == len(labels) == 8
        assert not (folder / "runs" / name / "last.pt").exists()
    summary = (folder / "table1.md").read_text()
    assert "| ViP |" in summary and "±" in summary and "p, DeLong" in summary
    assert "CoOp, shared context: 0.001:" in summary and "Nothing was chosen on test images" in summary


def test_experiment_repeats_nothing_and_resumes_after_a_kill(config, monkeypatch):
    whole = experiment("table1", config(methods=("coop", "linear-probe")))
    tables = files(whole)
    trained = []
    train = runs.train_prompts

    def counted(*arguments):
        trained.append(arguments)
        return train(*arguments)

    monkeypatch.setattr(runs, "train_prompts", counted)
    experiment("table1", config(methods=("coop", "linear-probe")))
    assert trained == [] and files(whole) == tables

    def killed(*arguments):
        if len(trained) == 3:
            raise KeyboardInterrupt
        return counted(*arguments)

    other = config(methods=("coop", "linear-probe"), out=whole.parents[1] / "again")
    monkeypatch.setattr(runs, "train_prompts", killed)
    with pytest.raises(KeyboardInterrupt):
        experiment("table1", other)
    monkeypatch.setattr(runs, "train_prompts", counted)
    resumed = experiment("table1", other)
    assert len(trained) == 6  # of two methods two rates with the first seed, and the chosen one with the second
    assert without_seconds(files(resumed)) == without_seconds(tables)


def test_jobs_change_no_figure(config):
    made = config(methods=("coop",), seeds=(1,))
    one = files(experiment("table1", made))
    two = files(experiment("table1", replace(made, jobs=2, out=made.out.parent / "two")))
    assert without_seconds(one) == without_seconds(two)


@pytest.mark.skipif(sys.platform != "linux", reason="the processes are looked up in /proc")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_jobs_end_with_their_command(config, number, status):
    train = config().train
    out = config().out
    process = start(
        *("-m", "vip_core.experiments", "table1", "--methods", "coop", "--jobs", "2", "--out", out),
        *("--data", "folder", "--root", train.root, "--symptoms", train.symptoms, "--backbone", train.backbone),
        *("--epochs", "20000"),
    )
    wait_until(lambda: len(list(out.rglob("last.pt"))) == 2)
    jobs = descendants(process.pid)
    assert len(jobs) >= 2
    process.send_signal(number)
    assert process.wait(60) == status
    wait_until(lambda: not any(Path(f"/proc/{job}").exists() for job in jobs))


def descendants(process: str | int) -> set[str]:
    """The numbers of the processes that a process has started, and of those that they have."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    children = {number for task in tasks for number in task.read_text().split()}
    return children.union(*map(descendants, children))


def test_method_that_cannot_run_is_a_row_with_the_reason(config, vip_mini, image_folder, symptom_file, tmp_path):
    made = config(methods=("maple",))
    made = replace(made, train=replace(made.train, backbone="vip-mini", epochs=1, views=1), seeds=(1,))
    folder = experiment("table1", made)
    assert "| MaPLe | not run: MaPLe puts prompts into the layers of a ViT" in (folder / "table1.md").read_text()


def test_runs_of_other_settings_are_refused(config):
    experiment("figure3", config())
    made = config()
    with pytest.raises(CheckpointError, match=r"was made with other settings \(epochs\); use the same"):
        experiment("figure3", replace(made, train=replace(made.train, epochs=3)))


def test_runs_with_other_symptoms_are_refused_whatever_their_source(config, tmp_path):
    made = config()
    experiment("figure3", made)
    symptoms = SymptomSet.load(made.train.symptoms)
    changed = replace(made, train=replace(made.train, symptoms=str(tmp_path / "changed.json")))
    replace(symptoms, source={"origin": "textbook"}).save(changed.train.symptoms)
    experiment("figure3", changed)
    symptoms.edited(symptoms.classes[1], ["dense white patch"]).save(changed.train.symptoms)
    with pytest.raises(CheckpointError, match=r"other settings \(symptoms\)"):
        experiment("figure3", changed)


def test_runs_with_another_test_image_are_refused(config, tmp_path):
    made = config()
    root = shutil.copytree(made.train.root, tmp_path / "images")
    made = replace(made, train=replace(made.train, root=str(root)))
    experiment("figure3", made)
    path = Material(made).data.split("test")[0].path
    Image.new("RGB", (64, 64)).save(path)
    with pytest.raises(CheckpointError, match=r"other settings \(images\)"):
        experiment("figure3", made)


def test_table2_figures_and_shots_write_their_files(config, monkeypatch):
    monkeypatch.setattr("vip_core.experiments.plan.SHOTS", (1, 2))
    made = config(seeds=(1,), methods=("vip", "linear-probe"))
    folder = experiment("all", made)
    names = ["table1", "table2", "figure5", "shots-1", "shots-2", "shots-all"]
    assert set(files(folder)) == {f"{name}.{suffix}" for name in names for suffix in ("csv", "md")}
    for name in ("figure1", "figure2", "figure3", "figure4", "figure5", "shots"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert "random words" in (folder / "table2.md").read_text()
    assert "of the epochs" not in (folder / "table1.md").read_text()  # no method of it trains for fewer


def test_experiment_config_refuses_unknown_methods(config):
    with pytest.raises(UsageError, match="There is no method foo; choose from vip, zero-shot-names"):
        config(methods=("foo",))
    with pytest.raises(UsageError, match="at least one seed"):
        config(seeds=())
    with pytest.raises(UsageError, match="A seed is given twice"):
        config(seeds=(1, 2, 1))
    with pytest.raises(UsageError, match=f"seed is {2**63}; it must be at most"):
        config(seeds=(1, 2**63))


def test_methods_are_refused_where_a_target_has_its_own(config):
    with pytest.raises(UsageError, match="figure5 has methods of its own; --methods is for table1, shots, all"):
        experiment("figure5", config(methods=("coop",)))


@pytest.mark.parametrize(("split", "least"), [("val", 1), ("test", 2)])
def test_split_without_one_of_the_classes_is_refused(config, image_folder, tmp_path, split, least):
    made = config()
    images = {name: sorted((image_folder / name).iterdir()) for name in ("dark", "white")}
    lists = {
        name: [[f"{title}/{path.name}", 0, title] for title, paths in images.items() for path in paths[part]]
        for name, part in (("train", slice(0, 10)), ("val", slice(10, 15)), ("test", slice(15, 20)))
    }
    kept = least - 1
    lists[split] = [each for each in lists[split] if each[2] == "dark"] + lists[split][5 : 5 + kept]
    (tmp_path / "split.json").write_text(json.dumps(lists))
    with pytest.raises(DataError, match=rf"has {kept} images of 'white' in {split}; experiments need at least {least}"):
        Material(replace(made, split_file=tmp_path / "split.json"))


def test_classes_with_fewer_images_than_shots_give_all_of_them(config):
    material = Material(config())
    full, many = material.full, material.images(100, 1)
    assert sorted(row.path for row in many.train) == sorted(row.path for row in full.train)
    counts = Counter(row.label for row in full.val_rows)
    assert Counter(row.label for row in many.val_rows) == {label: min(4, count) for label, count in counts.items()}


def test_few_shot_tables_compare_with_vip_and_count_their_own_images(config, monkeypatch):
    monkeypatch.setattr("vip_core.experiments.plan.SHOTS", (2,))
    folder = experiment("shots", config(methods=("coop",), seeds=(1,)))
    text = (folder / "shots-2.md").read_text()
    assert "(4 train, 4 val and" in text and "was chosen with all images" in text
    assert [line.split(" | ")[0] for line in text.splitlines()[4:6]] == ["| ViP", "| CoOp, shared context"]
    assert "was chosen with all images" not in (folder / "shots-all.md").read_text()


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "run"])
def test_damaged_run_is_named(config, damage):
    folder = experiment("table1", config(methods=("zero-shot-names",), seeds=(1,))) / "runs" / "zero-shot-names-seed1"
    path = folder / ("run.json" if damage == "run" else "predictions.npz")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    short = {"truncated": bytes(content[:100]), "empty": b"", "flipped": bytes(content), "run": b"[]"}[damage]
    path.write_bytes(short)
    with pytest.raises(CheckpointError, match="zero-shot-names-seed1 is damaged; delete it to run it again"):
        experiment("table1", config(methods=("zero-shot-names",), seeds=(1,)))


@pytest.mark.parametrize("method", ["vip", "vip-swap", "vip-adapter", "coop", "cocoop", "bayesian", "tip-adapter-f"])
def test_run_that_is_killed_between_epochs_ends_with_the_same_predictions(config, monkeypatch, method):
    spec = RunSpec(method, 1, 1e-3)
    whole = runs.run_method(spec, Material(config()))
    again = Material(config(out=config().out.parent / "again"))
    save = loop.save_state

    def killed(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        runs.run_method(spec, again)
    monkeypatch.setattr(loop, "save_state", save)
    resumed = runs.run_method(spec, again)
    for mine, other in ((resumed.val, whole.val), (resumed.test, whole.test)):
        np.testing.assert_array_equal(mine[0], other[0])


def test_resumed_run_counts_the_seconds_of_all_its_processes(config, monkeypatch):
    material, spec = Material(config()), RunSpec("coop", 1, 1e-3)
    load = loop.load_state

    def loaded(*arguments):
        state = load(*arguments)
        state.seconds = 1000.0
        return state

    monkeypatch.setattr(loop, "load_state", loaded)
    assert 1000 <= runs.run_method(spec, material).info["seconds"] < 1100


def test_rates_of_vip_mini_go_on_to_two(config):
    made: ExperimentConfig = config()
    assert made.rates(registry.METHODS["vip"]) == (2e-3, 1e-3)
    assert made.rates(registry.METHODS["linear-probe"]) == ()
    mini = replace(made, train=replace(made.train, backbone="vip-mini"))
    assert mini.rates(registry.METHODS["biomedcoop"]) == (2.5e-3, 1e-3, 2e-3, 2e-2, 2e-1, 2.0)


def test_fine_tuned_tower_has_rates_and_epochs_of_its_own_on_any_backbone(config):
    made: ExperimentConfig = config()
    method = registry.METHODS["fine-tuned"]
    for backbone in (made.train.backbone, "vip-mini"):
        train = replace(made.train, backbone=backbone, epochs=50)
        assert replace(made, train=train).rates(method) == (1e-3, 2e-3, 1e-2)
        assert RunSpec("fine-tuned", 1, 1e-2).train_config(train).epochs == 10
        assert RunSpec("coop", 1, 1e-2).train_config(train).epochs == 50
    shortest = replace(made.train, epochs=1)
    assert RunSpec("fine-tuned", 1, 1e-2).train_config(shortest).epochs == 1


def test_fine_tuned_tower_reads_images_as_its_own_preprocessing_has_them(config, vip_mini, monkeypatch):
    """Beside a backbone of 32 pixels; vip-mini's weights stand in for those of ImageNet."""
    monkeypatch.setattr("vip_core.pretraining.architecture.new_vip_mini", lambda seed: vip_mini)
    sizes, forward = set(), FineTunedTower.forward

    def seen(self, images):
        sizes.add((self.training, images.shape[-1]))
        return forward(self, images)

    monkeypatch.setattr(FineTunedTower, "forward", seen)
    result = runs.run_method(RunSpec("fine-tuned", 1, 1e-3), Material(config()))
    assert sizes == {(True, 224), (False, 224)} and result.test[0].shape[1] == 2
