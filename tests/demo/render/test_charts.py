"""Drawing: text stays text, whatever it holds, and fits."""

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from demo.render.charts import BODY, MAX_LINES, WIDTH, Box, Chart, Words, chart_png, chart_svg, svg, wrap


def drawn(picture):
    """Texts and rectangles of an SVG."""
    root, space = ElementTree.fromstring(picture), "{http://www.w3.org/2000/svg}"
    return [text.text for text in root.iter(f"{space}text")], [dict(box.attrib) for box in root.iter(f"{space}rect")]


def test_a_chart_becomes_its_rectangles_and_texts():
    chart = Chart(
        80,
        (Box(4, 10, 100, 9, "#123456"), Box(4, 30, 50, 9, "#000", outline=True)),
        (Words(4, 60, "dense", 13, "#111"),),
    )
    texts, boxes = drawn(chart_svg(chart))
    assert texts == ["dense"]
    assert [(float(box["x"]), float(box["width"]), box["fill"]) for box in boxes] == [
        (4, 100, "#123456"),
        (4, 50, "none"),
    ]
    assert f'viewBox="0 0 {WIDTH} 80"'.encode() in chart_svg(chart)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> & \"quotes\" 'too'",
        "$x^2$ and $\\frac{1}{0$",
        "]]> <!-- ${x} {{y}}",
        "lungs 🫁 肺 الرئة",
    ],
)
def test_text_is_shown_as_text(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drawn(chart_svg(Chart(40, (), (Words(4, 20, wrap(text, 900, BODY)[0], BODY, "#111"),))))[0] == [text]


@pytest.mark.parametrize("char", ["\0", "\x07", "\x1b", "\ufffe", "\uffff", "\ud800", "\u202e", "\u2066", "\u2028"])
def test_characters_that_would_break_the_picture_are_left_out(char):
    (line,) = wrap(f"dense{char} opacity", WIDTH, BODY)
    assert line == "dense opacity"


def test_wrapping_keeps_every_word_of_a_short_text():
    text = "thickened bronchial walls with streaks spreading from both hila"
    lines = wrap(text, WIDTH, BODY)
    assert len(lines) == 2 and " ".join(lines) == text


def test_wrapping_breaks_long_words_and_cuts_long_texts_with_an_ellipsis():
    assert "".join(wrap("a" * 60, WIDTH, BODY)) == "a" * 60
    cut = wrap("opacity " * 200, WIDTH, BODY)
    assert len(cut) == MAX_LINES and cut[-1].endswith("…") and not cut[0].endswith("…")


def test_figures_drawn_in_many_threads_are_the_same_pictures():
    def figure(i):
        figure = Figure(figsize=(2, 2))
        figure.add_axes((0, 0, 1, 1)).plot([0, i], [i, 1])
        return figure

    alone = [svg(figure(i)) for i in range(12)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: svg(figure(i)), range(12))) == alone


def test_charts_do_without_pyplot_which_keeps_every_figure():
    code = "import sys, demo.render.charts, demo.render.bars; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "matplotlib.pyplot" not in done.stdout.split()


def test_chart_png_has_the_boxes_where_the_svg_has_them():
    chart = Chart(100, (Box(10, 20, 100, 40, "#ff0000"),), (Words(10, 90, "costs $5 & more", BODY, "#000000"),))
    pixels = np.asarray(Image.open(BytesIO(chart_png(chart, scale=1))).convert("RGB")).astype(int)
    assert pixels.shape == (100, WIDTH, 3)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    rows, columns = np.nonzero(red)
    assert abs(rows.min() - 20) <= 1 and abs(rows.max() - 59) <= 1
    assert abs(columns.min() - 10) <= 1 and abs(columns.max() - 109) <= 1
