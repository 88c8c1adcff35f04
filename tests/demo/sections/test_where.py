"""The maps and the comparison, without a browser."""

import base64
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from demo.render import heatmap
from demo.render.comparison import prediction
from demo.render.numbers import number
from demo.sections import where
from demo.state.image_view import encode_cells
from demo.state.map_choice import Chosen
from vip_core.data.images import read_image
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.scoring.diagnosis import SymptomScore
from vip_core.scoring.evidence import evidence
from vip_core.scoring.predictor import Predictor

EVIL = '<img src=x onerror="harm()">'
OUTPUTS = ("choice", "chosen", "map", "caption", "second map", "second caption", "legend", "comparison")


@pytest.fixture(scope="module")
def cells(task, xray):
    return encode_cells(task, read_image(xray))


@pytest.fixture(scope="module")
def other(task):
    """A second image: feature and cells."""
    path = task.examples[-1][0]
    return task.predictor.encode(path), encode_cells(task, read_image(path))


def show(tasks, features, cells, boxes, second=None, chosen=None, mode="vip", **how):
    updates = where.show_map(tasks, features, cells, second, chosen, "pneumonia", mode, *boxes, **how)
    return tuple(updates.get(name) for name in OUTPUTS)


def pixels_of(html):
    """The map in a piece of HTML, RGBA."""
    data = re.search(r"data:image/png;base64,([\w+/=]+)", html).group(1)
    return np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("RGBA")).astype(int)


def test_without_an_image_there_is_nothing(tasks, boxes):
    choice, chosen, *rest = show(tasks, None, None, boxes, chosen=Chosen("pneumonia", 1, "x"))
    assert choice["choices"] == [] and chosen == Chosen("pneumonia", 1, "x") and rest == [""] * 6


def test_the_choice_has_every_symptom_and_begins_with_the_strongest_reason(tasks, task, features, cells, boxes):
    choice, chosen, *_ = show(tasks, features, cells, boxes)
    diagnosis = task.predictor.diagnose(features)
    assert choice["choices"] == [(f"{s.class_name}: {s.symptom}", i) for i, s in enumerate(diagnosis.symptoms)]
    own = [s for s in diagnosis.symptoms if s.class_name == diagnosis.prediction]
    assert diagnosis.symptoms[choice["value"]] == max(own, key=lambda s: s.contribution)
    assert chosen.of is not None


@pytest.mark.parametrize("mode", ["vip", "symptoms", "names"])
def test_the_caption_has_the_similarity_that_the_bars_show(tasks, task, features, cells, boxes, mode):
    symptoms = task.prompts(mode, task.predictor.symptoms)
    scores = task.scorer(mode).diagnose(features, symptoms).symptoms
    for row, score in enumerate(scores):
        _, chosen, image, caption, *_ = show(tasks, features, cells, boxes, mode=mode, row=row)
        assert f"Similarity {number(score.similarity)}." in caption
        assert score.symptom in caption and score.symptom in image and chosen.symptom == score.symptom


def test_a_clicked_row_is_found_by_its_text_whatever_the_order(tasks, task, features, cells, boxes):
    score = task.predictor.diagnose(features).symptoms[3]
    choice, *_ = show(tasks, features, cells, boxes, clicked=(score.class_name, score.symptom))
    assert choice["value"] == 3
    for gone in ((), ("pneumonia", "no such line")):  # an older table: the choice stays
        assert show(tasks, features, cells, boxes, clicked=gone)[0]["value"] is not None


def test_the_chosen_symptom_is_followed_through_edits(tasks, features, cells, boxes):
    first, *rest = boxes[1].splitlines()
    chosen = show(tasks, features, cells, boxes, row=len(boxes[0].splitlines()) + 1)[1]
    assert chosen == Chosen("pneumonia", 1, rest[0])

    def symptom(lines):
        choice = show(tasks, features, cells, [boxes[0], "\n".join(lines)], chosen=chosen)[0]
        return choice["choices"][choice["value"]][0].removeprefix("pneumonia: ")

    assert symptom(["a new line above", first, *rest]) == rest[0]
    assert symptom([first, "reworded", *rest[1:]]) == "reworded"
    assert symptom([first]) == first


def test_what_nobody_chose_stays_for_this_image_and_not_for_the_next(tasks, features, cells, other, boxes):
    choice, chosen, *_ = show(tasks, features, cells, boxes)
    row = choice["value"]
    lines = "\n".join(boxes).splitlines()
    lines[row] = "metal clips and wires"  # no longer the strongest reason
    count = len(boxes[0].splitlines())
    edited = ["\n".join(lines[:count]), "\n".join(lines[count:])]
    choice, chosen, *_ = show(tasks, features, cells, edited, chosen=chosen)
    assert choice["value"] == row and chosen.symptom == "metal clips and wires"
    own = show(tasks, *other, boxes)[0]["value"]
    assert own != row and show(tasks, *other, boxes, chosen=chosen)[0]["value"] == own
    picked = show(tasks, features, cells, boxes, row=row)[1]
    assert show(tasks, *other, boxes, chosen=picked)[0]["value"] == row


def test_lists_that_cannot_be_used_take_the_map_away(tasks, features, cells, boxes):
    choice, _, image, caption, *rest = show(tasks, features, cells, [boxes[0], ""], second=(features, cells))
    assert choice is None and image == "" and where.FIX_LISTS in caption and rest == [""] * 4


def test_the_map_shows_the_terms_of_the_cells(tasks, task, features, cells, boxes):
    """The alpha at a cell's centre is its term; orange adds, blue takes."""
    row, end = 0, heatmap.FULL * max(map(abs, task.axis)) / 49
    image = pixels_of(show(tasks, features, cells, boxes, row=row)[2])
    with torch.inference_mode():
        terms = evidence(cells, task.predictor.encode_symptoms(task.predictor.symptoms))[row].numpy()
    assert image.shape == (7 * heatmap.FINE, 7 * heatmap.FINE, 4)
    blocks = image.reshape(7, heatmap.FINE, 7, heatmap.FINE, 4)[:, 7:9, :, 7:9].mean((1, 3))  # (7, 7, 4) at the centres
    wanted = 255 * np.clip(np.abs(terms) / end, 0, 1)
    assert np.abs(blocks[..., 3] - wanted).max() < 24  # bilinear: half a pixel off the centre
    strong = wanted > 40
    assert (blocks[strong & (terms > 0)][:, :3] == heatmap.POSITIVE).all()
    assert (blocks[strong & (terms < 0)][:, :3] == heatmap.NEGATIVE).all()


def test_zero_is_clear_and_the_ends_are_full():
    terms = torch.zeros(7, 7)
    terms[0, 0], terms[6, 6] = 1.0, -5.0
    image = pixels_of(heatmap.heat_url(terms, 1.0))
    assert image[0, 0].tolist() == [*heatmap.POSITIVE, 255] and image[-1, -1].tolist() == [*heatmap.NEGATIVE, 255]
    assert image[56, 56, 3] == 0


def test_the_legend_says_what_full_colour_means_and_what_the_map_is_not(tasks, task, features, cells, boxes):
    _, _, _, caption, _, _, legend, _ = show(tasks, features, cells, boxes, row=0)
    end = heatmap.FULL * max(map(abs, task.axis)) / 49
    assert f"+{end:.3f}" in legend and f"−{end:.3f}" in legend
    assert "does not prove a cause" in legend and "7 × 7 cells" in legend
    similarity = task.predictor.diagnose(features).symptoms[0].similarity
    assert f"Full colour is {100 * end / similarity:.0f} % of the similarity." in caption


def test_the_scale_is_the_same_for_every_image(tasks, features, cells, other, boxes):
    legends = {show(tasks, *seen, boxes, row=0)[6] for seen in ((features, cells), other)}
    assert len(legends) == 1


def test_texts_from_outside_are_escaped(tasks, features, cells, other, boxes):
    everything = show(tasks, features, cells, [boxes[0], EVIL], second=other, row=len(boxes[0].splitlines()))
    assert not any("<img src=x" in piece for piece in everything[2:])
    assert "&lt;img src=x" in everything[3] and "&lt;img src=x" in everything[7]


# ---- the second image


def test_the_comparison_has_both_predictions_and_the_difference_of_every_symptom(
    tasks, task, features, cells, other, boxes
):
    _, _, image, _, beside, caption, _, table = show(tasks, features, cells, boxes, second=other)
    first, second = task.predictor.diagnose(features), task.predictor.diagnose(other[0])
    assert first.prediction != second.prediction
    assert f"<b>{prediction(first)}</b>" in table and f"<b>{prediction(second)}</b>" in table
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", table)
    assert [row[0] for row in rows] == [s.symptom for s in first.symptoms]
    for row, a, b in zip(rows, first.symptoms, second.symptoms, strict=True):
        numbers = [float(text.replace("−", "-")) for text in row[1:]]
        assert numbers == [round(n, 2) for n in (a.similarity, b.similarity, b.similarity - a.similarity)]
    assert (pixels_of(image) != pixels_of(beside)).any() and "Similarity" in caption


def test_an_image_compared_with_itself_changes_nothing(tasks, features, cells, boxes):
    _, _, image, caption, beside, other_caption, _, table = show(
        tasks, features, cells, boxes, second=(features, cells)
    )
    assert (image, caption) == (beside, other_caption)
    assert len(re.findall(r"<td>0\.00</td></tr>", table)) == len(re.findall("</td></tr>", table))


def test_an_image_out_of_domain_gets_no_probability(tasks, boxes, features, cells):
    stranger = tasks["melanoma"].examples[0][0]
    second = (tasks["pneumonia"].predictor.encode(stranger), None)
    table = show(tasks, features, cells, boxes, second=second)[7]
    assert "Second image: <b>out of distribution</b>" in table


# ---- other backbones


@pytest.fixture
def of_backbone(task, symptoms):
    """A function that gives the task with another backbone, untrained."""

    def make(backbone):
        return replace(task, predictor=Predictor(ViP(backbone, symptoms)))

    return make


def test_a_vit_gets_a_map_that_says_it_adds_up_to_nothing(of_backbone, backbone, xray, symptoms):
    task = of_backbone(backbone)
    image = read_image(xray)
    cells, features = encode_cells(task, image), task.predictor.encode(image)
    boxes = ["\n".join(lines) for lines in symptoms.symptoms]
    updates = where.show_map({"x": task}, features, cells, None, None, "x", "vip", *boxes)
    heat, caption, legend = updates["map"], updates["caption"], updates["legend"]
    assert "do not sum to the similarity" in legend and "4 × 4 cells" in legend and "most similar cell" in caption
    assert pixels_of(heat)[..., 3].max() > 200  # its own strongest cell sets the scale


def test_a_backbone_without_cells_says_so(of_backbone, symptoms, xray):
    task = of_backbone(Backbone.load("RN50", "random"))
    image = read_image(xray)
    assert encode_cells(task, image) is None
    boxes = ["\n".join(lines) for lines in symptoms.symptoms]
    shown = where.show_map({"x": task}, task.predictor.encode(image), None, None, None, "x", "vip", *boxes)
    assert shown["map"] == "" and where.NO_CELLS in shown["legend"]


# ---- words


def test_places_are_those_of_the_picture():
    assert heatmap.place(0, 6, 7, 7) == "upper right of the picture"
    assert heatmap.place(3, 3, 7, 7) == "centre of the picture"
    assert heatmap.place(6, 0, 7, 7) == "lower left of the picture"


@pytest.mark.parametrize(
    ("mode", "part"),
    [("squash", "the picture."), ("shortest", "the part that is read."), ("longest", "the picture with its margins.")],
)
def test_the_map_lies_on_what_the_backbone_reads_and_says_so(mode, part):
    score = SymptomScore("a", "line", 0.4, 50.0, 0.1, 1.0)
    cells = torch.zeros(4, 4, 8)
    cells[0, 0] = 1
    image, caption, legend = heatmap.seen_map(cells, torch.ones(8), None, score, mode)
    assert f"vip-where-{mode}" in image and f"upper left of {part}" in caption and f"upper left of {part}" in image
    assert ("only the middle of the picture" in legend) == (mode == "shortest")


def test_a_similarity_near_zero_has_no_shares():
    score = SymptomScore("a", "line", 0.004, 50.0, 0.1, 1.0)
    _, caption, _ = heatmap.seen_map(torch.randn(3, 3, 8), torch.randn(8), (-0.3, 0.5), score)
    assert "%" not in caption and "Similarity 0.00." in caption
