"""The tables of the documents are those of the figures that lie beside the weights."""

import json
import subprocess
import sys

import pytest

from tests.conftest import PROJECT
from vip_core.pretraining.labels import bank_sentences
from vip_core.pretraining.phrases import load_phrases


def test_every_table_of_figures_is_as_the_commands_left_it():
    done = subprocess.run([sys.executable, "docs/figures.py", "--check"], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["figures.json", "figures-test.json"])
def test_wordings_that_go_the_wrong_way_are_held_out_ones(name):
    held_out = {(s.finding, s.text) for s in bank_sentences(load_phrases(), "held_out")}
    rankings = json.loads((PROJECT / "checkpoints" / "vip-mini" / name).read_text())["rankings"]
    for comparison, ranking in rankings.items():
        finding = comparison.split(" vs ")[0].replace(" ", "_")
        assert {(finding, text) for text in ranking["wrong_way"]} <= held_out
