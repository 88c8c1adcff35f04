"""The bars: where they stand, what they say, and what they were before an edit."""

import re
from dataclasses import replace

import pytest

from demo.render.bars import MARGIN, separation_in_words, symptom_chart
from demo.render.charts import COLOURS, INK, WARNING, WIDTH, chart_svg, wrap
from demo.state.numbers import number
from vip_core.scoring.diagnosis import Diagnosis, SymptomScore

AXIS = (-0.2, 0.6)
PHONE = 350  # pixels that the chart has on a phone of 390


def score(similarity=0.31, percentile=87.0, symptom="lung opacity", name="pneumonia", contribution=1.2):
    return SymptomScore(name, symptom, similarity, percentile, contribution, 0.5)


def diagnosis(*scores, terms=None, classes=("normal lung", "pneumonia")):
    probabilities = {name: 1 / len(classes) for name in classes}
    return Diagnosis("pneumonia", probabilities, {}, terms or {}, scores, None)


def texts(chart):
    return [text.text for text in chart.words]


def bars(chart):
    """Left and right end of each bar."""
    return [(box.x, box.x + box.width) for box in chart.boxes if box.colour in COLOURS]


def ghosts(chart):
    """The same of the outlines."""
    return [(box.x, box.x + box.width) for box in chart.boxes if box.outline]


# ---- what a bar says


def test_each_bar_has_its_number_and_percentile_in_words():
    words = texts(symptom_chart(diagnosis(score(), score(-0.054, 3.2)), AXIS))
    assert "0.31, higher than 87\u00a0% of reference images" in words
    assert "−0.05, higher than 3\u00a0% of reference images" in words


def test_without_a_reference_bank_a_bar_has_its_number_only():
    assert "0.31" in texts(symptom_chart(diagnosis(score(percentile=None)), AXIS))


@pytest.mark.parametrize(
    ("separation", "words", "weak"),
    [
        (0.93, "AUROC 0.93", False),
        (0.601, "AUROC 0.60", False),
        (0.6, "Barely discriminates, AUROC 0.60", True),
        (0.5, "Barely discriminates, AUROC 0.50", True),
        (0.4, "Barely discriminates, AUROC 0.40", True),
        (0.12, "Favours another class, AUROC 0.12", True),
        (None, "", False),
    ],
)
def test_a_line_that_means_little_to_the_model_is_marked(separation, words, weak):
    assert separation_in_words(separation) == (words, weak)
    chart = symptom_chart(diagnosis(score()), AXIS, separations=[separation])
    assert [text.text for text in chart.words if text.colour == WARNING] == ([words] if weak else [])
    assert words in [*texts(chart), ""]


@pytest.mark.parametrize(("value", "digits"), [(-0.054, "−0.05"), (-0.001, "0.00"), (0.0, "0.00"), (0.31, "0.31")])
def test_numbers_have_a_true_minus_and_none_before_zero(value, digits):
    assert number(value) == digits


# ---- the shift from the original list


def test_an_edit_leaves_the_original_bar_as_an_outline_and_in_words():
    chart = symptom_chart(diagnosis(score(0.31)), AXIS, before=[score(0.11)])
    alone = symptom_chart(diagnosis(score(0.11)), AXIS)
    assert ghosts(chart) == bars(alone)
    assert "0.31, was 0.11, above 87\u00a0% of reference images" in texts(chart)


def test_a_line_that_stays_has_no_outline_and_a_new_one_is_called_new():
    kept, new = score(0.2, symptom="kept"), score(0.1, symptom="new")
    chart = symptom_chart(diagnosis(kept, new), AXIS, before=[kept, None], separations=[0.9, 0.55])
    assert ghosts(chart) == []
    assert "New: barely discriminates, AUROC 0.55" in texts(chart) and "AUROC 0.90" in texts(chart)


def test_an_outline_stands_out_from_the_bars():
    (outline,) = (box for box in symptom_chart(diagnosis(score()), AXIS, before=[score(0.1)]).boxes if box.outline)
    assert outline.colour == INK and outline.height > 9


# ---- where it stands


def test_bars_have_the_colours_of_their_classes():
    chart = symptom_chart(diagnosis(score(name="normal lung"), score()), AXIS, colours=("#111111", "#222222"))
    assert [box.colour for box in chart.boxes if box.colour in ("#111111", "#222222")] == ["#111111", "#222222"]


def test_bars_are_grouped_by_class_in_order():
    chart = diagnosis(score(name="normal lung", symptom="clear"), score(symptom="dense"), score(symptom="patchy"))
    words = texts(symptom_chart(chart, AXIS))
    order = [words.index(text) for text in ("normal lung", "clear", "pneumonia", "dense", "patchy")]
    assert order == sorted(order)


def test_a_bar_does_not_depend_on_the_other_symptoms():
    alone = bars(symptom_chart(diagnosis(score(0.2)), AXIS))
    among = bars(symptom_chart(diagnosis(score(-0.1), score(0.2), score(0.55)), AXIS))
    assert among[1] == alone[0]


def test_bars_start_at_zero_and_are_as_long_as_their_numbers():
    half, whole, negative = bars(symptom_chart(diagnosis(score(0.3), score(0.6), score(-0.1)), AXIS))
    zero = half[0]
    assert whole[0] == pytest.approx(zero) and negative[1] == pytest.approx(zero)
    assert whole[1] - zero == pytest.approx(2 * (half[1] - zero)) == pytest.approx(6 * (zero - negative[0]))


def test_a_number_beyond_the_axis_ends_at_its_edge():
    (low, _), (_, high) = bars(symptom_chart(diagnosis(score(-0.9), score(0.9)), AXIS))
    assert (low, high) == (MARGIN, WIDTH - MARGIN)


@pytest.mark.parametrize("counts", [(1, 3, 5), (64, 64), (1, 1)])
def test_any_number_of_classes_and_symptoms(counts):
    scores = [score(name=f"class {c}", symptom=f"sign {i}") for c, count in enumerate(counts) for i in range(count)]
    words = texts(symptom_chart(diagnosis(*scores), AXIS))
    assert sum(text.startswith("sign ") for text in words) == sum(counts)
    assert sum(text.startswith("class ") for text in words) == len(counts)


def test_text_has_12_pixels_on_a_phone():
    sizes = [
        float(size)
        for size in re.findall(rb'font-size="([\d.]+)px"', chart_svg(symptom_chart(diagnosis(score()), AXIS)))
    ]
    assert sizes and min(sizes) * PHONE / WIDTH >= 12


def test_text_is_no_wider_than_the_chart():
    """wrap() cuts what is wider, so that nothing of what a bar says may be cut in the longest case."""
    long = score(-0.123, 100.0, symptom="opacity in the lung " * 30)
    before = replace(long, similarity=-0.4, percentile=99.0)
    for text in symptom_chart(diagnosis(long), (-1.0, 1.0), before=[before], separations=[0.5]).words[1:]:
        assert wrap(text.text, WIDTH, text.size, most=9) == [text.text]
        assert "…" not in text.text or "lung" in text.text
    new = symptom_chart(diagnosis(long), AXIS, before=[None], separations=[0.5])
    assert "New: barely discriminates, AUROC 0.50" in texts(new)
