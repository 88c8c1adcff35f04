"""The summary of a table: means, standard deviations, the tests against ViP and their correction."""

from dataclasses import replace

import numpy as np
from scipy.stats import binomtest

from vip_core.baselines.registry import METHODS
from vip_core.evaluation.comparison import delong, holm
from vip_core.experiments.config import RunSpec
from vip_core.experiments.plan import Entry
from vip_core.experiments.runs import RunResult
from vip_core.experiments.tables import against_first, summary

LABELS = np.arange(60) % 2


def made(name: str, strength: float, seeds: int = 2, rate: float | None = None) -> Entry:
    runs = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, len(name)])
        second = 1 / (1 + np.exp(-(strength * (2 * LABELS - 1) + rng.normal(size=60))))
        predictions = np.stack([1 - second, second], axis=1), LABELS
        info = {"seconds": 10.0 + seed, "parameters": 7}
        runs.append(RunResult(RunSpec(name, seed, rate), predictions, predictions, info))
    return Entry(name, name.upper(), tuple(runs))


def test_summary_gives_mean_and_sample_standard_deviation():
    entry = made("coop", 1.0)
    text = summary([made("vip", 1.0), entry], "Title", ["A note."])
    accuracies = [np.mean(r.test[0].argmax(1) == LABELS) for r in entry.runs]
    assert f"{np.mean(accuracies):.3f} ± {np.std(accuracies, ddof=1):.3f}" in text
    assert text.startswith("# Title\n") and "A note." in text


def test_summary_rounds_the_mean_of_its_rows_as_the_documents_do():
    """The mean of .5, .5125 and .525 is .5125, which a sum in floating point exceeds; docs/figures.py writes .512."""
    labels, runs = np.arange(80) % 2, []
    for right in (40, 41, 42):
        second = np.where(np.arange(80) < right, labels, 1 - labels) * 0.8 + 0.1
        predictions = np.stack([1 - second, second], axis=1), labels
        runs.append(RunResult(RunSpec("coop", right), predictions, predictions, {"seconds": 1.0, "parameters": 7}))
    entry = Entry("coop", "CoOp", tuple(runs))
    text = summary([replace(entry, name="vip"), entry], "Title", [])
    assert "| 0.512 ± 0.013 |" in text and "0.513" not in text


def test_summary_states_what_is_special_about_the_methods_in_it_and_no_others():
    sentences = METHODS["biomedcoop"].note
    views, shortened = METHODS["fine-tuned"].note, "Image tower fine-tuned from ImageNet: 20% of the epochs."
    text = summary([made("vip", 1.0), made("biomedcoop", 1.0), made("fine-tuned", 1.0)], "Title", ["A note."])
    assert text.splitlines()[8:12] == ["A note.", sentences, views, shortened]
    plain = summary([made("vip", 1.0), Entry("biomedcoop", "BiomedCoOp", (), note="no")], "Title", [])
    assert sentences not in plain and shortened not in plain
    adapters = summary([made("vip", 1.0), made("vip-adapter", 1.0), made("vip-adapter-no-swap", 1.0)], "Title", [])
    assert adapters.count("keeps the last epoch") == 1


def test_summary_names_the_methods_that_end_below_the_zero_shot_row_they_start_from():
    symptoms, names = made("zero-shot-symptoms", 2.0), made("zero-shot-names", 0.1)
    text = summary([made("vip", 0.2), symptoms, names, made("coop", 3.0)], "Title", [])
    (sentence,) = (line for line in text.splitlines() if line.startswith("Below"))
    assert sentence.endswith("validation images: VIP.")
    assert "Below" not in summary([made("vip", 4.0), symptoms, names, made("coop", 3.0)], "Title", [])


def test_summary_compares_a_row_with_the_zero_shot_row_of_the_same_kind_of_knowledge():
    def clinical(entry: Entry) -> Entry:
        runs = tuple(replace(result, spec=replace(result.spec, knowledge="clinical")) for result in entry.runs)
        return Entry(f"{entry.name}-clinical", f"{entry.label}, clinical", runs)

    visual = [made("vip", 2.0), made("zero-shot-symptoms", 0.2)]
    low, high = clinical(made("vip", 0.2)), clinical(made("zero-shot-symptoms", 2.0))
    (sentence,) = (line for line in summary([*visual, low, high], "Title", []).splitlines() if line.startswith("Below"))
    assert sentence.endswith("validation images: VIP, clinical.")
    assert "Below" not in summary([*visual, clinical(made("vip", 2.0)), high], "Title", [])


def test_against_first_tests_probabilities_averaged_over_seeds_with_holm_over_the_table():
    entries = [made("vip", 0.4), made("coop", 1.5), made("probe-x", 0.5), Entry("maple", "MaPLe", (), note="no")]
    found = against_first(entries)
    assert list(found) == ["coop", "probe-x"]
    mean = [np.mean([r.test[0] for r in entry.runs], axis=0) for entry in entries[:3]]
    areas = [delong(other[:, 1], mean[0][:, 1], LABELS == 1)[2] for other in mean[1:]]
    decisions = []
    right = [scores.argmax(1) == LABELS for scores in mean]
    for other in right[1:]:
        only, less = int((other & ~right[0]).sum()), int((right[0] & ~other).sum())
        decisions.append(binomtest(only, only + less).pvalue if only + less else 1.0)
    expected = holm([*areas, *decisions])
    for name, other in zip(found, mean[1:], strict=True):
        difference, error, _ = delong(other[:, 1], mean[0][:, 1], LABELS == 1)
        low, high = difference - 1.96 * error, difference + 1.96 * error
        assert found[name][0] == f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"
    written = [p for values in found.values() for p in values[1:]]
    order = [expected[0], expected[2], expected[1], expected[3]]
    assert written == ["< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") for p in order]
    assert found["coop"][0].startswith("+")


def test_difference_that_rounds_to_nothing_has_no_sign():
    vip = made("vip", 1.0)
    second = 1 / (1 + np.exp(-np.linspace(-3, 3, 60)))  # the order of the images is that of their numbers
    predictions = np.stack([1 - second, second], axis=1), LABELS
    runs = tuple(replace(result, test=predictions) for result in vip.runs)
    swapped = second.copy()
    swapped[[30, 31]] = second[[31, 30]]  # one pair of 900 changes its order
    changed = tuple(replace(result, test=(np.stack([1 - swapped, swapped], axis=1), LABELS)) for result in vip.runs)
    one_pair, same = Entry("coop", "", changed), Entry("kgcoop", "", runs)
    found = against_first([replace(vip, runs=runs), one_pair, same])
    assert found["coop"][0].startswith("-0.001 (-0.00") and found["kgcoop"][0] == "0.000 (0.000 to 0.000)"
