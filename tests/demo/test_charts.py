"""The bar chart: what it says, where its bars stand, and that no text can break it."""

import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from demo.charts import BODY, MARGIN, MOST_LINES, WIDTH, in_words, svg, symptom_bars, wrap
from vip_core.predictor import Diagnosis, SymptomScore

AXIS = (-0.2, 0.6)
PHONE = 350  # pixels that the chart has on a phone of 390


def score(similarity=0.31, percentile=87.0, symptom="lung opacity", name="pneumonia"):
    return SymptomScore(name, symptom, similarity, percentile, 1.2, 0.5)


def diagnosis(*scores):
    return Diagnosis("pneumonia", {}, {}, {}, scores, None)


def texts(picture):
    root = ElementTree.fromstring(picture)
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def bars(figure):
    """Left and right end of each bar: of the three rectangles a symptom has, the second."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in patches[1::3]]


def test_each_bar_has_its_number_and_percentile_in_words():
    words = texts(svg(symptom_bars(diagnosis(score(), score(-0.054, 3.2)), AXIS)))
    assert "0.31, higher than 87 % of reference images" in words
    assert "−0.05, higher than 3 % of reference images" in words


def test_without_a_reference_bank_a_bar_has_its_number_only():
    assert in_words(score(percentile=None)) == "0.31"


def test_bars_are_grouped_by_class_in_order():
    chart = diagnosis(score(name="normal lung", symptom="clear"), score(symptom="dense"), score(symptom="patchy"))
    words = texts(svg(symptom_bars(chart, AXIS)))
    order = [words.index(text) for text in ("normal lung", "clear", "pneumonia", "dense", "patchy")]
    assert order == sorted(order)


def test_a_bar_does_not_depend_on_the_other_symptoms():
    alone = bars(symptom_bars(diagnosis(score(0.2)), AXIS))
    among = bars(symptom_bars(diagnosis(score(-0.1), score(0.2), score(0.55)), AXIS))
    assert among[1] == alone[0]


def test_bars_start_at_zero_and_are_as_long_as_their_numbers():
    half, whole, negative = bars(symptom_bars(diagnosis(score(0.3), score(0.6), score(-0.1)), AXIS))
    zero = half[0]
    assert whole[0] == pytest.approx(zero) and negative[1] == pytest.approx(zero)
    assert whole[1] - zero == pytest.approx(2 * (half[1] - zero)) == pytest.approx(6 * (zero - negative[0]))


def test_a_number_beyond_the_axis_ends_at_its_edge():
    (low, _), (_, high) = bars(symptom_bars(diagnosis(score(-0.9), score(0.9)), AXIS))
    assert (low, high) == (MARGIN, WIDTH - MARGIN)


@pytest.mark.parametrize("counts", [(1, 3, 5), (64, 64), (1, 1)])
def test_any_number_of_classes_and_symptoms(counts):
    scores = [score(name=f"class {c}", symptom=f"sign {i}") for c, count in enumerate(counts) for i in range(count)]
    words = texts(svg(symptom_bars(diagnosis(*scores), AXIS)))
    assert sum(text.startswith("sign ") for text in words) == sum(counts)
    assert sum(text.startswith("class ") for text in words) == len(counts)


def test_text_has_12_pixels_on_a_phone():
    sizes = re.findall(rb"font-size: ([\d.]+)px|font: (?:\d+ )?([\d.]+)px", svg(symptom_bars(diagnosis(score()), AXIS)))
    pixels = [float(a or b) for a, b in sizes]
    assert pixels and min(pixels) * PHONE / WIDTH >= 12


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> & \"quotes\" 'too'",
        "$x^2$ and $\\frac{1}{0$",
        "]]> <!-- ${x} {{y}}",
        "lungs 🫁 肺 الرئة",
    ],
)
def test_symptoms_and_class_names_are_shown_as_text(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Glyph")  # pytest undoes the filter that demo.charts sets
        words = texts(svg(symptom_bars(diagnosis(score(symptom=text, name=text)), AXIS)))
    assert words.count(text) == 2


@pytest.mark.parametrize("char", ["\0", "\x07", "\x1b", "\ufffe", "\uffff", "\ud800", "\u202e", "\u2066", "\u2028"])
def test_characters_that_would_break_the_picture_are_left_out(char):
    words = texts(svg(symptom_bars(diagnosis(score(symptom=f"dense{char} opacity")), AXIS)))
    assert "dense opacity" in words


def test_wrapping_keeps_every_word_of_a_short_text():
    text = "thickened bronchial walls with streaks spreading from both hila"
    lines = wrap(text, WIDTH, BODY)
    assert len(lines) == 2 and " ".join(lines) == text


def test_wrapping_breaks_long_words_and_cuts_long_texts_with_an_ellipsis():
    assert "".join(wrap("a" * 60, WIDTH, BODY)) == "a" * 60
    cut = wrap("opacity " * 200, WIDTH, BODY)
    assert len(cut) == MOST_LINES and cut[-1].endswith("…") and not cut[0].endswith("…")


def test_lines_are_no_wider_than_the_chart():
    scores = [score(0.123, 100.0, symptom=text) for text in ("W" * 500, "opacity in the lung " * 30, "il" * 400)]
    figure = symptom_bars(diagnosis(*scores), AXIS)
    ends = [  # without hinting, as a browser draws an SVG
        text.get_position()[0]
        + text_to_path.get_text_width_height_descent(text.get_text(), text.get_fontproperties(), False)[0]
        for text in figure.axes[0].texts
        if text.get_horizontalalignment() == "left"
    ]
    assert max(ends) <= WIDTH


def test_drawing_in_many_threads_gives_the_same_pictures():
    charts = [diagnosis(score(0.01 * i, symptom=f"sign {i}")) for i in range(24)]
    alone = [svg(symptom_bars(chart, AXIS)) for chart in charts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda chart: svg(symptom_bars(chart, AXIS)), charts))
    assert together == alone


def test_charts_do_without_pyplot_which_keeps_every_figure():
    code = "import sys, demo.charts; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "matplotlib.pyplot" not in done.stdout.split()
