"""Generated documents are current: tables of figures, and the Python API."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT
from vip_core.pretraining.labels import bank_sentences
from vip_core.pretraining.phrases import load_phrases


@pytest.mark.parametrize("script", ["docs/figures.py", "docs/python_api.py"])
def test_generated_documents_are_current(script):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, script, "--check"], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["figures.json", "figures-test.json"])
def test_wordings_that_go_the_wrong_way_are_held_out_ones(name):
    held_out = {(s.finding, s.text) for s in bank_sentences(load_phrases(), "held_out")}
    rankings = json.loads((PROJECT / "checkpoints" / "vip-mini" / name).read_text())["rankings"]
    for comparison, ranking in rankings.items():
        finding = comparison.split(" vs ")[0].replace(" ", "_")
        assert {(finding, text) for text in ranking["wrong_way"]} <= held_out
