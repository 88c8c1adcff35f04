"""The command lines as a person meets them: output, exit status, one sentence for every mistake."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image

from tests.conftest import PROJECT
from tests.processes import run as run_python
from vip_core.cli import COMMANDS, run, vip
from vip_core.errors import UsageError
from vip_core.evaluate import main as evaluate
from vip_core.models.vip import ViP
from vip_core.score import main as score
from vip_core.train import main as train


def shell(*arguments: str, **more) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, **more)


def leaves_with(main, argv, capsys) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command, as `python -m` would give them."""
    before = sys.argv
    sys.argv = ["command", *map(str, argv)]
    try:
        with pytest.raises(SystemExit) as left:
            run(main)
    finally:
        sys.argv = before
    out, err = capsys.readouterr()
    return left.value.code, out, err


HEAVY = {"torch", "open_clip", "sklearn", "scipy", "matplotlib", "gradio", "openai", "transformers", "pydantic", "rich"}


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a fresh interpreter has loaded when a command ends; -X importtime names each on stderr."""
    done = shell("-X", "importtime", *arguments, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_option_and_loads_nothing_heavy(name):
    done = shell("-X", "importtime", "-m", f"vip_core.{name}", "--help", check=True)
    assert f"Usage: python -m vip_core.{name} [OPTIONS]" in done.stdout
    options = re.findall(r"^  (--[\w-]+.*?)(?:  |$)(.*(?:\n {10,}.*)?)", done.stdout, re.MULTILINE)
    assert len(options) >= (2 if name == "backbone" else 5) and all(text.strip() for _, text in options)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded and not HEAVY & loaded


def test_vip_lists_its_commands_and_loads_none_of_them():
    done = shell("-m", "vip_core", "--help", check=True)
    assert all(f"  {name} " in done.stdout for name in (*COMMANDS, "demo"))
    loaded = loaded_by("-m", "vip_core", "--version")
    assert not HEAVY & loaded and not {f"vip_core.{name}" for name in COMMANDS} & loaded


def test_vip_runs_a_command_by_its_name(trained, image_folder, capsys):
    image = str(image_folder / "dark" / "dark01.png")
    assert vip(["score", image, "--checkpoint", str(trained), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["image"] == image
    with pytest.raises(UsageError, match="no command paint; use one of train, evaluate, score"):
        vip(["paint"])


@pytest.mark.parametrize("name", COMMANDS)
def test_vip_runs_every_command(name, capsys):
    assert vip([name, "--help"]) == 0
    assert " [OPTIONS]" in capsys.readouterr().out


def test_importing_the_package_loads_nothing_heavy_until_a_name_is_used():
    assert not HEAVY & loaded_by("-c", "import vip_core, vip_core.training; vip_core.training.TrainConfig")
    loaded = loaded_by("-c", "from vip_core import Predictor, ViP, Backbone, SymptomSet, ReferenceBank, Diagnosis")
    assert "torch" in loaded
    assert not {"gradio", "demo", "openai", "pydicom", "transformers.modeling_utils"} & loaded


def test_score_prints_json_lines_in_the_order_given(trained, image_folder, tmp_path, capsys):
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    given = [image_folder / "white" / "white03.png", bad, tmp_path / "none.png", image_folder / "dark" / "dark01.png"]
    status, out, _ = leaves_with(score, [*given, "--checkpoint", trained, "--json"], capsys)
    records = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [record["image"] for record in records] == [str(path) for path in given]
    assert ["error" in record for record in records] == [False, True, True, False]
    assert set(records[1]) == {"image", "error"} and records[1]["error"].startswith("bad.png")
    good = records[0]
    assert list(good)[:2] == ["image", "prediction"]
    assert sum(good["probabilities"].values()) == pytest.approx(1)
    for name, logit in good["logits"].items():
        own = sum(symptom["contribution"] for symptom in good["symptoms"] if symptom["class"] == name)
        assert good["class_terms"][name] + own == pytest.approx(logit, abs=1e-4)
    temperature = ViP.from_pretrained(trained).temperature
    expected = (torch.tensor(list(good["logits"].values())) / temperature).softmax(-1).tolist()
    assert list(good["probabilities"].values()) == pytest.approx(expected, abs=1e-5)


def test_score_accepts_folders_and_globs(trained, image_folder, capsys):
    status, out, _ = leaves_with(score, [image_folder, "--checkpoint", trained, "--json"], capsys)
    assert status == 0 and len(out.splitlines()) == 40
    status, out, _ = leaves_with(score, [image_folder / "*" / "*0.png", "--checkpoint", trained], capsys)
    assert status == 0 and "Research use, not a medical device." in out
    assert sum(".png:" in line for line in out.splitlines()) == 4


def test_score_with_other_symptoms(trained, image_folder, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"white": ["snow"], "dark": ["coal", "soot [tar]"]}))
    image = image_folder / "dark" / "dark01.png"
    given = [image, "--checkpoint", trained, "--symptoms", other]
    _, out, _ = leaves_with(score, [*given, "--json"], capsys)
    assert [symptom["symptom"] for symptom in json.loads(out)["symptoms"]] == ["coal", "soot [tar]", "snow"]
    _, out, _ = leaves_with(score, given, capsys)
    assert "soot [tar]" in out


def test_evaluate_json_has_the_documented_fields(trained, image_folder, capsys):
    given = ["--checkpoint", trained, "--data", "folder", "--root", image_folder, "--split", "val"]
    status, out, _ = leaves_with(evaluate, [*given, "--json"], capsys)
    result = json.loads(out)
    assert status == 0
    assert {"n", "accuracy", "balanced_accuracy", "f1_macro", "auroc", "ece", "confusion", "intervals"} <= set(result)
    assert result["n"] == 4
    card = ViP.from_pretrained(trained).card
    assert result["accuracy"] == card.figures["val"]["accuracy"]
    status, out, _ = leaves_with(evaluate, given, capsys)
    assert all(words in " ".join(out.split()) for words in ("n = 4", "95 % interval", "Research use"))


@pytest.mark.parametrize(
    ("main", "argv", "sentence"),
    [
        (train, ["--data", "folder"], "Missing option '--root'"),
        (train, ["--data", "mri", "--root", "x"], "'mri' is not one of 'pneumonia', 'isic2017'"),
        (train, ["--data", "pneumonia", "--root", "x", "--epochs", "0"], "'--epochs': Input should be greater than"),
        (train, ["--data", "pneumonia", "--root", "x", "--epochs", "many"], "'--epochs': Input should be a valid int"),
        (train, ["--data", "pneumonia", "--root", "x", "--momentum", "-1"], "'-1' is not a finite number, 0 or more"),
        (train, ["--data", "pneumonia", "--root", "x", "--rate", "nan"], "'nan' is not a finite number"),
        (train, ["--data", "pneumonia", "--root", "x", "--crop", "1.5"], "'1.5' is not a share of a whole"),
        (train, ["--data", "pneumonia", "--root", "x", "--seed", "9" * 20], "'--seed': Input should be less than"),
        (train, ["--data", "pneumonia", "--root", "/nowhere"], "/nowhere does not exist"),
        (train, ["--data", "pneumonia", "--root", ".", "--symptoms", "/none.json"], "cannot be read"),
        (train, ["--colour", "[red]"], "No such option: --colour"),
        (
            evaluate,
            ["--checkpoint", "none", "--data", "folder", "--root", ".", "--split", "val"],
            "Unknown checkpoint none",
        ),
        (score, ["x.png", "--checkpoint", "/nowhere"], "Unknown checkpoint /nowhere"),
        (score, ["--checkpoint", "pneumonia"], "Missing argument 'IMAGE_OR_DIR...'"),
        (score, ["x.png", "--checkpoint", "~no-such-user/run"], "Unknown checkpoint ~no-such-user/run"),
        (score, ["x.png", "--checkpoint", "x" * 300], "File name too long"),
    ],
)
def test_commands_answer_a_mistake_with_one_sentence_and_status_2(main, argv, sentence, capsys):
    status, out, err = leaves_with(main, argv, capsys)
    assert status == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert sentence in err


def test_device_that_is_missing_is_one_sentence(monkeypatch, trained, capsys):
    for name in ("abacus", "meta", "cuda" if not torch.cuda.is_available() else "cuda:99"):
        monkeypatch.setenv("VIP_DEVICE", name)
        status, out, err = leaves_with(score, ["x.png", "--checkpoint", trained], capsys)
        assert (status, out, err.count("\n")) == (2, "", 1) and f"VIP_DEVICE={name} is not a device" in err


@pytest.mark.parametrize("tag", [None, "random"])
def test_score_takes_the_option_that_its_error_names(trained, image_folder, tag, capsys):
    words = [image_folder / "dark" / "dark01.png", "--checkpoint", trained, "--backbone", "RN50"]
    status, _, err = leaves_with(score, [*words, *(["--pretrained", tag] if tag else [])], capsys)
    assert status == 2
    if tag is None:
        assert "RN50 needs --pretrained with one of" in err
    else:  # it is read, and is not the one that the checkpoint was trained with
        assert "--pretrained" not in err and "backbone" in err.lower()


def test_score_reports_a_name_that_is_too_long_on_its_own_line(trained, image_folder, capsys):
    given = ["x" * 300, image_folder / "dark" / "dark01.png", "--checkpoint", trained, "--json"]
    status, out, _ = leaves_with(score, given, capsys)
    assert status == 1 and ["error" in json.loads(line) for line in out.splitlines()] == [True, False]


def test_score_to_a_full_disk_is_one_sentence(trained, image_folder):
    given = ["-m", "vip_core.score", image_folder, "--checkpoint", trained, "--json"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, *map(str, given)],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2 and done.stderr.splitlines()[-1] == "error: No space left on device."
    assert "Traceback" not in done.stderr


def test_score_refuses_bad_symptom_files_before_reading_images(trained, image_folder, tmp_path, capsys):
    cases = {
        "long": ({"white": ["word " * 500], "dark": ["x"]}, "makes a prompt of"),
        "many": ({"white": ["x"] * 200, "dark": ["x"]}, "has 200 symptoms"),
        "empty": ({"white": [], "dark": ["x"]}, "has no symptom"),
        "other": ({"pale": ["x"], "dark": ["x"]}, "The classes do not match"),
    }
    cases["deep"] = ("[" * 100_000, "is nested too deeply")
    for name, (content, sentence) in cases.items():
        path = tmp_path / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        given = ["--checkpoint", trained, "--symptoms", path, "--json"]
        status, out, err = leaves_with(score, [image_folder, *given], capsys)
        assert (status, out) == (2, "") and sentence in err and err.count("\n") == 1


def test_train_refuses_labels_of_an_unknown_class(tmp_path, image_folder, symptom_file, tiny_native, capsys):
    labels = tmp_path / "labels.csv"
    labels.write_text(f"image,label\n{image_folder}/white/white01.png,white\n{image_folder}/dark/dark01.png,grey\n")
    given = ["--data", "csv", "--root", labels, "--symptoms", symptom_file, "--backbone", tiny_native]
    status, _, err = leaves_with(train, [*given, "--out", tmp_path / "run"], capsys)
    assert status == 2 and "grey" in err and "white" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_score_json_prints_nothing_else_on_standard_output(trained, image_folder, tmp_path):
    """Progress, warnings and library chatter go elsewhere; and the folder one stands in does not matter."""
    many = tmp_path / "many"
    many.mkdir()
    for i in range(70):
        shutil.copy(image_folder / "dark" / f"dark{i % 20:02d}.png", many / f"{i:03d}.png")
    done = run_python("-m", "vip_core.score", "many", "--checkpoint", str(trained), "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == [f"many/{i:03d}.png" for i in range(70)]


def test_score_into_a_closed_pipe_shows_no_traceback(trained, image_folder):
    command = f"{sys.executable} -m vip_core.score {image_folder} --checkpoint {trained} --json | head -1"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
    assert "Traceback" not in done.stderr and len(done.stdout.splitlines()) == 1


def test_score_json_is_complete_with_standard_error_on_a_terminal(trained, image_folder):
    """With standard error on a terminal the progress bar is drawn there, and must not take what is printed along."""
    watcher, terminal = os.openpty()
    command = [
        sys.executable,
        "-m",
        "vip_core.score",
        str(image_folder),
        str(image_folder),
        "--checkpoint",
        str(trained),
    ]
    done = subprocess.run(
        [*command, "--json"],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    os.close(watcher)
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 80


def test_score_continues_after_a_file_name_that_is_not_text(trained, image_folder, tmp_path, capsys):
    odd = os.fsdecode(os.fsencode(str(tmp_path)) + b"/R\xf6ntgen.png")
    shutil.copy(image_folder / "dark" / "dark01.png", odd)
    for more in (["--json"], []):
        status, out, _ = leaves_with(score, [tmp_path, "--checkpoint", trained, *more], capsys)
        assert status == 0 and "ntgen.png" in out


def test_evaluate_json_of_one_class_has_no_auroc(trained, image_folder, tmp_path, capsys):
    rows = [f"{path},{path.parent.name},train" for path in sorted(image_folder.rglob("*.png"))]
    lonely = tmp_path / "lonely.png"
    Image.new("RGB", (40, 48), "white").save(lonely)
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,split", *rows, f"{lonely},white,val"]))
    given = ["--checkpoint", trained, "--data", "csv", "--root", tmp_path, "--split", "val"]
    _, out, _ = leaves_with(evaluate, [*given, "--json"], capsys)
    assert "NaN" not in out
    result = json.loads(out)
    assert result["auroc"] is None and result["classes"] == ["dark", "white"] and list(result["recall"]) == ["white"]
    status, out, _ = leaves_with(evaluate, given, capsys)
    assert status == 0 and "needs two classes" in out
