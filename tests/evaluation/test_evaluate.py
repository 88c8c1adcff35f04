"""The evaluate command: reports, predictions, subgroups, comparisons and zero-shot on a small data set."""

import csv
import json
import re
import shutil

import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from vip_core.errors import DataError, UsageError
from vip_core.evaluate import main as evaluate


@pytest.fixture(scope="module")
def table(image_folder, tmp_path_factory):
    """A CSV of the forty images, with a sex, a symptom label, and two images per patient."""
    path = tmp_path_factory.mktemp("table") / "labels.csv"
    lines = ["image,label,patient,split,sex,bright_areas"]
    for name in ("white", "dark"):
        for i in range(20):
            image = image_folder / name / f"{name}{i:02d}.png"
            lines.append(f"{image},{name},{name}{i // 2},test,{'f' if i % 2 else 'm'},{int(name == 'white')}")
    # The layout needs other splits too; the same images are never in two.
    lines[1:5] = [line.replace(",test,", ",train,") for line in lines[1:5]]
    lines[21:25] = [line.replace(",test,", ",train,") for line in lines[21:25]]
    path.write_text("\n".join(lines) + "\n")
    return path


def run(capsys, *argv) -> dict:
    assert evaluate([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def given(trained, table) -> list:
    # The model was trained on some of these images, which is nothing to these tests.
    return ["--checkpoint", trained, "--data", "csv", "--root", table, "--split", "test", "--allow-seen"]


def test_evaluate_writes_predictions_that_give_its_figures(trained, table, tmp_path, capsys):
    found = run(capsys, *given(trained, table), "--predictions", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "path", "label", "probability of dark", "probability of white", "prediction", "in_domain"
    ]  # fmt: skip
    assert len(rows) == found["n"] == 32 and {row["in_domain"] for row in rows} <= {"yes", "no"}
    assert found["accuracy"] == sum(row["label"] == row["prediction"] for row in rows) / 32
    scores = [float(row["probability of white"]) for row in rows]
    assert found["auroc"] == pytest.approx(roc_auc_score([row["label"] == "white" for row in rows], scores), abs=1e-3)
    assert (found["unit"], found["units"]) == ("patient", 16)


def test_evaluate_writes_a_report_of_the_same_figures(trained, table, tmp_path, capsys):
    argv = [*given(trained, table), "--prevalence", "white=0.1", "--by", "sex", "--symptom-labels", "bright_areas"]
    found = run(capsys, *argv, "--report", tmp_path / "report")
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.html", "report.json", "metrics.csv", "reliability.csv", "decision_curve.csv"} <= names
    for name in ("calibration", "histogram", "roc", "precision_recall", "decision_curve"):
        assert (tmp_path / "report" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "report" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    written.pop("settings")
    assert written == found
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"{found['auroc']:.3f}" in page and "Not a medical device" in page and "32 images" in page
    words = re.sub(r"base64,[^\"]*", "", page)
    assert page.count("data:image/png;base64,") == 5 and not re.search(r"\bnan\b", words, re.IGNORECASE)
    assert [group["value"] for group in found["subgroups"]] == ["f", "m"]
    assert found["labelled_symptoms"][0]["symptom"] == "bright areas"
    at = found["positive_class"]["at_prevalence"]
    assert found["positive_class"]["name"] == "white" and at["prevalence"] == 0.1


def test_evaluate_compares_a_model_with_itself_without_a_difference(trained, table, capsys):
    tests = run(capsys, *given(trained, table), "--compare", trained)["comparison"]["tests"]
    assert all(test["difference"] == 0 for test in tests)
    assert next(test for test in tests if test["question"] == "accuracy")["p"] == 1


@pytest.mark.parametrize("prompts", ["names", "symptoms"])
def test_evaluate_measures_zero_shot_without_a_checkpoint(prompts, table, tiny_native, symptom_file, capsys):
    argv = ["--zero-shot", prompts, "--backbone", tiny_native, "--symptoms", symptom_file]
    found = run(capsys, *argv, "--data", "csv", "--root", table, "--split", "test")
    assert found["n"] == 32 and "symptoms_carry" not in found and found["classes"] == ["dark", "white"]


def test_evaluate_prints_tables_that_name_the_class(trained, table, capsys):
    assert evaluate([*map(str, given(trained, table)), "--prevalence", "dark=0.2", "--by", "sex"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("calibration slope of dark", "PPV of dark at a prevalence of 0.2", "sex: f (n = 16)", "16 patients"):
        assert words in out
    assert "not defined" in out or "0." in out


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--zero-shot", "names"], "needs --symptoms FILE"),
        ([], "Give either --checkpoint"),
        (["--checkpoint", "CHECKPOINT", "--prevalence", "10"], "share between 0 and 1"),
        (["--checkpoint", "CHECKPOINT", "--prevalence", "grey=0.1"], "share between 0 and 1"),
        (["--checkpoint", "CHECKPOINT", "--prevalence", "many"], "CLASS=SHARE"),
        (["--checkpoint", "CHECKPOINT", "--by", "age"], "No image has a value in the column 'age'"),
        (["--checkpoint", "CHECKPOINT", "--positive", "grey"], "not one of the classes"),
    ],
)
def test_evaluate_refuses_questions_that_make_no_sense(argv, sentence, trained, table):
    words = [str(trained) if word == "CHECKPOINT" else word for word in argv]
    with pytest.raises(UsageError, match=sentence):
        evaluate([*words, "--data", "csv", "--root", str(table), "--split", "test", "--allow-seen"])


# ---- other people's images: whole sets, and sets without a train split


@pytest.fixture(scope="module")
def unseen(image_folder, tmp_path_factory):
    """Ten images per class that no checkpoint was trained on, in CLASS/IMAGE."""
    folder = tmp_path_factory.mktemp("unseen") / "images"
    for name in ("white", "dark"):
        (folder / name).mkdir(parents=True)
        for image in sorted((image_folder / name).glob("*.png"))[:10]:
            with Image.open(image) as picture:
                picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / name / image.name)
    return folder


def test_evaluate_split_all_takes_every_image_of_a_folder_without_splits(trained, unseen, capsys):
    found = run(capsys, "--checkpoint", trained, "--data", "folder", "--root", unseen, "--split", "all")
    assert found["n"] == 20


@pytest.mark.parametrize("name", ["test", "Testing"])
def test_evaluate_takes_a_folder_that_holds_a_test_split_alone(trained, unseen, tmp_path, name, capsys):
    shutil.copytree(unseen, tmp_path / name)
    words = ["--checkpoint", trained, "--data", "folder", "--root", tmp_path]
    for split in ("test", "all"):
        assert run(capsys, *words, "--split", split)["n"] == 20
    with pytest.raises(DataError, match="no train images"):
        evaluate([*map(str, words), "--split", "train"])


def test_evaluate_takes_a_table_of_test_images_alone(trained, unseen, tmp_path, capsys):
    lines = [f"{image},{image.parent.name},test" for image in sorted(unseen.rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,split", *lines]))
    words = ["--checkpoint", trained, "--data", "csv", "--root", tmp_path]
    for split in ("test", "all"):
        assert run(capsys, *words, "--split", split)["n"] == 20


def test_evaluate_refuses_images_that_were_trained_on_unless_told(trained, image_folder, capsys):
    words = ["--checkpoint", str(trained), "--data", "folder", "--root", str(image_folder), "--split", "all"]
    with pytest.raises(DataError, match=r"\d+ of 40 images were trained on, .*--allow-seen"):
        evaluate(words)
    assert run(capsys, *words, "--allow-seen")["n"] == 40


def test_evaluate_explains_a_table_with_a_column_per_class(trained, unseen, tmp_path):
    shown = {"white": "1,0", "dark": "0,1"}
    lines = [f"{image},{shown[image.parent.name]}" for image in unseen.rglob("*.png")]
    (tmp_path / "labels.csv").write_text("\n".join(["image,white,dark", *lines]))
    with pytest.raises(DataError, match="a column per class; combine them into one column label"):
        evaluate(["--checkpoint", str(trained), "--data", "csv", "--root", str(tmp_path), "--split", "all"])
