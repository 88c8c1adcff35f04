"""The documents agree with the code: generated parts are current, links resolve, and the README stays short."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.processes import run
from vip_core.pretraining.labels import bank_sentences
from vip_core.pretraining.phrases import load_phrases

DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "assets/**/*.md", "checkpoints/**/*.md") for path in PROJECT.glob(pattern)
)


def document(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("script", ["docs/figures.py", "docs/python_api.py"])
def test_generated_documents_are_current(script):
    done = run(script, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["figures.json", "figures-test.json"])
def test_inverted_phrasings_are_held_out_ones(name):
    held_out = {(s.finding, s.text) for s in bank_sentences(load_phrases(), "held_out")}
    rankings = json.loads((PROJECT / "checkpoints" / "vip-mini" / name).read_text())["rankings"]
    for comparison, ranking in rankings.items():
        finding = comparison.split(" vs ")[0].replace(" ", "_")
        assert {(finding, text) for text in ranking["wrong_way"]} <= held_out


def test_readme_is_short():
    assert (PROJECT / "README.md").read_text(encoding="utf-8").count("\n") < 130


@pytest.mark.parametrize("path", DOCUMENTS, ids=document)
def test_relative_links_lead_to_files_and_headings(path):
    text = path.read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)", text):
        target = path.parent / name if name else path
        assert target.exists(), f"{document(path)} links to {name}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in anchors, f"{document(path)} links to {name}{anchor}"
