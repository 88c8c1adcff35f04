"""`python -m vip_core.generate`: its files, its words, and what it writes used for training and scoring."""

import json
import os

import pytest

from tests.llm_server import GOOD, VARIABLES, Answer
from tests.processes import run
from tests.test_cli import leaves_with
from tests.vsg.conftest import KEY
from vip_core.generate import main as generate
from vip_core.score import main as score
from vip_core.symptoms import SymptomSet
from vip_core.train import main as train
from vip_core.vsg import NOT_SET_UP

pytestmark = pytest.mark.usefixtures("no_setup")
XRAY = ["--modality", "chest X-ray", "--classes", "normal lung", "pneumonia"]


@pytest.fixture
def to_server(llm):
    return ["--base-url", llm.url, "--model", "m", "--retries", "0"]


def test_generate_exits_with_2_and_one_sentence_where_nothing_is_set_up(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = run("-m", "vip_core.generate", *XRAY, "--out", tmp_path / "x.json", env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {NOT_SET_UP}\n")
    assert list(tmp_path.iterdir()) == []


def test_generate_writes_a_file_and_nothing_to_standard_output(llm, to_server, tmp_path, capsys):
    llm.says({**GOOD, "pneumonia": [*GOOD["pneumonia"], "<b>x</b>", "a \x1b[2J line"]})
    out = tmp_path / "new" / "set.json"
    status, printed, said = leaves_with(generate, [*XRAY, *to_server, "--out", out, "--raw"], capsys)
    assert (status, printed) == (0, "")
    assert SymptomSet.load(out).to_dict()["classes"] == GOOD
    assert "dropped from pneumonia: “<b>x</b>” (contains HTML)" in said and "\x1b" not in said
    assert "Cost: 1 request, 100 tokens sent" in said and "pneumonia: 2 of 4 requested" in said
    assert sorted(path.name for path in out.parent.iterdir()) == ["set.json", "set.raw.json"]
    assert json.loads((out.parent / "set.raw.json").read_text())["replies"] == [llm.answers[0].content]


def test_generate_counts_many_dropped_lines_of_one_reason(llm, to_server, tmp_path, capsys):
    llm.says({**GOOD, "pneumonia": ["white opacity", *(f"pneumonia {i}" for i in range(5000))]})
    status, _, said = leaves_with(generate, [*XRAY, *to_server, "--out", tmp_path / "x.json"], capsys)
    assert status == 0 and said.count("\n") < 20
    assert "dropped from pneumonia: 4,995 more (contains the class name “pneumonia”)" in said


def test_generate_writes_the_key_nowhere(llm, to_server, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    llm.says({**GOOD, "pneumonia": [*GOOD["pneumonia"], f"see {KEY}"]})
    words = [*XRAY, *to_server, "--key-variable", "MY_KEY", "--out", tmp_path / "x.json", "--raw"]
    said = leaves_with(generate, words, capsys)
    assert llm.requests[0].headers["authorization"] == f"Bearer {KEY}"
    llm.says(Answer(status=400, body={"error": {"message": f"got {KEY}"}}))
    refused = leaves_with(generate, words, capsys)
    assert refused[0] == 2 and refused[2].count("\n") == 1
    files = [path.read_text() for path in tmp_path.iterdir()]
    assert len(files) == 2 and not any(KEY in text for text in (*files, *said[1:], *refused[1:]))
    assert "127.0.0.1" not in files[0] + files[1]


def test_generate_keeps_the_old_file_after_a_failure(llm, to_server, tmp_path, capsys):
    out = tmp_path / "x.json"
    out.write_text("before")
    llm.says("nonsense")
    status, _, said = leaves_with(generate, [*XRAY, *to_server, "--out", out], capsys)
    assert status == 2 and said.startswith("error: The model's reply cannot be used") and "“nonsense”" in said
    assert out.read_text() == "before" and list(tmp_path.iterdir()) == [out]


def test_generate_dry_run_prints_the_messages_and_sends_nothing(llm, capsys):
    status, printed, said = leaves_with(generate, [*XRAY, "--dry-run", "--samples", 3, "--critique"], capsys)
    assert (status, said) == (0, "") and llm.requests == []
    sent = json.loads(printed)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert "chest X-ray" in sent["messages"][1]["content"] and sent["samples"] == 3 and "critique" in sent
    _, printed, _ = leaves_with(generate, [*XRAY, "--dry-run", "--kind", "random"], capsys)
    assert json.loads(printed)["messages"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--keep", "2", "--out", "x.json"], "--ground"),
        (["--keep", "9", "--ground", "pneumonia", "--out", "x.json"], "--number"),
        ([], "--out FILE"),
        (["--out", "."], "is a folder"),
        (["--out", "x.json", "--kind", "magic"], "visual, description, clinical"),
        (["--out", "x.json", "--timeout", "0"], "'0' is not a number above 0"),
        (["--out", "x.json", "--number", "65"], "ask for 1 to 64"),
        (
            ["--out", "x.json", "--ground", "melanoma", "--model", "m", "--base-url", "http://localhost/v1"],
            "do not match",
        ),
    ],
)
def test_generate_exits_with_2_and_one_sentence_after_wrong_arguments(words, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, said = leaves_with(generate, [*XRAY, *words], capsys)
    assert (status, printed) == (2, "") and sentence in said and said.count("\n") == 1


def test_generate_needs_no_server_for_kinds_without_a_model(tmp_path, capsys):
    out = tmp_path / "x.json"
    status, _, said = leaves_with(generate, [*XRAY, "--kind", "name", "--out", out], capsys)
    assert status == 0 and "Cost" not in said
    assert SymptomSet.load(out).symptoms == (("normal lung",), ("pneumonia",))


def test_generate_reports_grounded_lines_and_keeps_the_best(llm, to_server, tmp_path, capsys):
    llm.says(
        {"normal lung": ["clear lungs", "white opacity"], "pneumonia": ["dark clear lungs", "white patch in one lobe"]}
    )
    out = tmp_path / "x.json"
    words = [*XRAY, *to_server, "--ground", "pneumonia", "--keep", 1, "--out", out]
    status, _, said = leaves_with(generate, words, capsys)
    assert status == 0
    assert SymptomSet.load(out).symptoms == (("clear lungs",), ("white patch in one lobe",))
    assert "normal lung: “white opacity”" in said and "Favours the other classes" in said


def test_generated_file_can_be_trained_on_and_scored(
    llm,
    to_server,
    image_folder,
    tiny_native,
    tmp_path,
    capsys,
):
    llm.says(
        "```json\n" + json.dumps({"dark": ["black areas", "low brightness"], "white": ["bright <i>areas", "glare"]})
    )
    file, out = tmp_path / "set.json", tmp_path / "run"
    words = ["--modality", "photograph", "--classes", "dark", "white", *to_server, "--out", file]
    assert leaves_with(generate, words, capsys)[0] == 0
    words = ["--data", "folder", "--root", image_folder, "--symptoms", file, "--backbone", tiny_native, "--out", out]
    assert leaves_with(train, [*words, "--epochs", 1, "--views", 1], capsys)[0] == 0
    image = image_folder / "dark" / "dark01.png"
    status, printed, _ = leaves_with(score, [image, "--checkpoint", out, "--json"], capsys)
    lines = [(symptom["class"], symptom["symptom"]) for symptom in json.loads(printed)["symptoms"]]
    assert status == 0 and lines == [("dark", "black areas"), ("dark", "low brightness"), ("white", "glare")]
    card = json.loads((out / "card.json").read_text())
    assert card["symptoms"]["source"]["model"] == "m" and card["symptoms"]["source"]["server"] == "local"
