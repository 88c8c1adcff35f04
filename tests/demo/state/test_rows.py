"""The rows of the Diagnose page: requests are checked, numbers are the library's, findings and removals recompute."""

import json
from copy import copy, deepcopy
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from demo.state.bench import rescore
from demo.state.library_tasks import library_tasks
from demo.state.request import read_request
from demo.state.rows import distributions, note, score_rows
from demo.state.task_view import aurocs, cautions, cutoffs, finding_of, task_config
from demo.state.visit import Second, Visit
from demo.state.what_if import diagnose, what_would_change
from vip_core.errors import SymptomError
from vip_core.scoring.predictor import Predictor


def asked_for(task, mode="vip", **changes):
    """A request of the page with the task's own lists. changes: (class index, row) -> changes of that row."""
    lists = {
        name: [{"text": text, "on": True, "finding": None, "drawn": False} for text in texts]
        for name, texts in zip(task.classes, task.predictor.symptoms.symptoms, strict=True)
    }
    return {"choice": 1, "id": 7, "task": task.key, "mode": mode, "lists": lists, **changes}


@pytest.fixture
def visit(features):
    return Visit(choice=1, features=features)


def test_score_rows_sum_to_the_decision(task, visit):
    found = score_rows(task, visit, asked_for(task))
    diagnosis = task.predictor.diagnose(visit.features)
    finding = finding_of(task)
    names = task.classes
    tokens = diagnosis.class_terms[names[finding]] - diagnosis.class_terms[names[1 - finding]]
    logit = diagnosis.logits[names[finding]] - diagnosis.logits[names[1 - finding]]
    assert sum(row["adds"] for row in found["rows"]) + tokens == pytest.approx(logit, abs=1e-2)
    assert found["probabilities"] == pytest.approx(list(diagnosis.probabilities.values()), abs=1e-4)
    assert found["edited"] is False and found["id"] == 7


def test_score_is_small_once_the_page_has_the_distributions(task, visit):
    request = asked_for(task)
    for rows in request["lists"].values():
        for row in rows:
            row["drawn"] = True
    assert len(json.dumps(score_rows(task, visit, request))) < 5500


def test_score_counts_every_reference_image_once(task, visit):
    bank = task.predictor.vip.reference
    for row in score_rows(task, visit, asked_for(task))["rows"]:
        assert [sum(group) for group in row["counts"]] == bank.labels.bincount().tolist()


def test_score_leaves_out_rows_that_are_off_or_empty_and_keeps_places(task, visit):
    request = asked_for(task)
    name = task.classes[1]
    request["lists"][name][0]["on"] = False
    request["lists"][name][1]["text"] = "  "
    places = [(row["class"], row["index"]) for row in score_rows(task, visit, request)["rows"]]
    assert (name, 0) not in places and (name, 1) not in places and (name, 2) in places


def test_score_compares_an_edited_row_with_what_stood_there(task, visit):
    request = asked_for(task)
    name = task.classes[1]
    before = score_rows(task, visit, request)["rows"]
    request["lists"][name][0]["text"] = "lobar consolidation"
    row = next(row for row in score_rows(task, visit, request)["rows"] if row["symptom"] == "lobar consolidation")
    old = next(row for row in before if (row["class"], row["index"]) == (name, 0))
    assert row["before"] == old["similarity"] != row["similarity"]


@pytest.mark.parametrize("mode", ["symptoms", "names"])
def test_score_knows_the_zero_shot_methods(task, visit, mode):
    found = score_rows(task, visit, asked_for(task, mode))
    assert found["mode"] == mode and len(found["rows"]) == (
        2 if mode == "names" else len(task.predictor.symptoms.texts)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda request: request.update(mode="magic"), "method"),
        (lambda request: request.update(lists={"cat": []}), "another task"),
        (lambda request: [row.update(on=False) for row in request["lists"]["pneumonia"]], "No symptom of “pneumonia”"),
        (lambda request: request["lists"]["pneumonia"][0].update(text="x" * 30_000), "longer than"),
        (lambda request: request["lists"]["pneumonia"][0].update(text="many words " * 60), "tokens"),
    ],
)
def test_score_refuses_what_cannot_be_scored(task, visit, change, words):
    request = asked_for(task)
    change(request)
    with pytest.raises(SymptomError, match=words):
        score_rows(task, visit, request)


# ---- what if


@pytest.mark.parametrize(("finding", "label", "share"), [("seen", 1, 0.95), ("absent", 0, 0.05)])
def test_finding_sets_the_similarity_and_moves_the_logit_by_its_weight(task, features, finding, label, share):
    """Seen: as in the images of the class that show it clearly; absent: as in those of the other class that lack it."""
    request = asked_for(task)
    plain, text = diagnose(task, features, read_request(task, request))
    row = len(task.predictor.symptoms.symptoms[0])
    request["lists"]["pneumonia"][0]["finding"] = finding
    found, _ = diagnose(task, features, read_request(task, request))
    bank = task.predictor.vip.reference
    wanted = bank.similarities(text)[bank.labels == label, row].quantile(share).item()
    before, after = plain.symptoms[row], found.symptoms[row]
    assert after.similarity == pytest.approx(wanted)
    assert after.contribution / after.similarity == pytest.approx(before.contribution / before.similarity)
    moved = after.contribution - before.contribution
    assert found.logits["pneumonia"] == pytest.approx(plain.logits["pneumonia"] + moved, abs=1e-4)
    logits = torch.tensor(list(found.logits.values())) / task.predictor.temperature
    assert list(found.probabilities.values()) == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)


@pytest.mark.parametrize("key", ["pneumonia", "melanoma"])
def test_finding_counts_for_what_it_says(tasks, key):
    """Rows that are seen count for their class, and rows that are not seen against it, whatever the image."""
    task = tasks[key]
    bank = task.predictor.vip.reference
    for features in bank.features[:: len(bank.labels) // 8]:
        for name in task.classes:
            for finding, sign in (("seen", 1), ("absent", -1)):
                request = asked_for(task)
                for row in request["lists"][name]:
                    row["finding"] = finding
                found = score_rows(task, Visit(choice=1, features=features), request)
                assert all(row["contribution"] * sign > -0.01 for row in found["rows"] if row["class"] == name)
                assert sum(row["contribution"] * sign for row in found["rows"] if row["class"] == name) > 0.1


def test_finding_not_seen_argues_against_the_disease(task):
    """All signs of pneumonia “not seen” lower its odds tenfold; those of a normal lung “seen” as well exclude it."""
    bank = task.predictor.vip.reference
    request = asked_for(task)
    for row in request["lists"]["pneumonia"]:
        row["finding"] = "absent"
    for features in bank.features[bank.labels == 1][::30]:
        visit = Visit(choice=1, features=features)
        before = score_rows(task, visit, asked_for(task))["probabilities"][1]
        after = score_rows(task, visit, request)["probabilities"][1]
        assert after / (1 - after) < 0.1 * before / (1 - before)
        both = {**request, "lists": deepcopy(request["lists"])}
        for row in both["lists"]["normal lung"]:
            row["finding"] = "seen"
        assert score_rows(task, visit, both)["probabilities"][1] < 0.1


def test_direction_of_two_classes_is_towards_the_finding(task, visit):
    found = score_rows(task, visit, asked_for(task))
    assert found["direction"] == ["pneumonia", "normal lung"]
    for row in found["rows"]:
        assert row["adds"] == (1 if row["class"] == "pneumonia" else -1) * row["contribution"]


def test_direction_of_more_classes_is_the_shown_one_against_the_strongest_other(tasks, features):
    task = library_tasks(tasks)["knee_kellgren_lawrence"]
    found = score_rows(task, Visit(choice=1, features=features), asked_for(task, "symptoms"))
    ranked = sorted(zip(found["probabilities"], task.classes, strict=True), reverse=True)
    assert found["direction"] == [name for _, name in ranked[:2]]
    sign = dict(zip(found["direction"], (1, -1), strict=True))
    assert all(row["adds"] == sign.get(row["class"], 0) * row["contribution"] for row in found["rows"])


def test_score_rows_give_a_second_image_its_own_answer(tasks, task, features):
    other = task.predictor.vip.reference.features[0]
    visit = Visit(choice=1, features=features, second=Second(other, None))
    found = score_rows(task, visit, asked_for(task))
    alone = score_rows(task, Visit(choice=1, features=other), asked_for(task))
    assert found["second"] == {"probabilities": alone["probabilities"], "domain": alone["domain"]}
    assert [row["second"] for row in found["rows"]] == [row["similarity"] for row in alone["rows"]]


def test_score_rows_give_no_number_of_a_second_image_out_of_distribution(tasks, task, features):
    stranger = tasks["melanoma"].predictor.encode(tasks["melanoma"].examples[0][0])
    for second in (Second(stranger, None), Second(features, None, "This is a CT image.")):
        found = score_rows(task, Visit(choice=1, features=features, second=second), asked_for(task))
        assert found["second"]["probabilities"] is None and found["second"]["domain"]["in_domain"] is False
        assert found["second"]["domain"]["reason"]
        assert not any("second" in row for row in found["rows"]) and found["domain"]["in_domain"]


def test_finding_unknown_leaves_the_symptom_out(task, visit):
    request = asked_for(task)
    request["lists"]["pneumonia"][0]["finding"] = "unknown"
    left = asked_for(task)
    left["lists"]["pneumonia"][0]["on"] = False
    assert score_rows(task, visit, request)["probabilities"] == score_rows(task, visit, left)["probabilities"]


def test_what_would_change_names_the_largest_single_move(task, features):
    request = asked_for(task)
    asked = read_request(task, request)
    diagnosis, _ = diagnose(task, features, asked)
    sentence = what_would_change(task, features, asked, diagnosis)[0]
    moves = {}
    for name, rows in request["lists"].items():
        for index, row in enumerate(rows):
            without = asked_for(task)
            without["lists"][name][index]["on"] = False
            found, _ = diagnose(task, features, read_request(task, without))
            moves[row["text"]] = abs(found.probabilities["pneumonia"] - diagnosis.probabilities["pneumonia"])
    assert f"“{max(moves, key=moves.get)}”" in sentence


def test_what_would_change_flips_say_the_truth(task, features):
    asked = read_request(task, asked_for(task))
    diagnosis, _ = diagnose(task, features, asked)
    sentence = what_would_change(task, features, asked, diagnosis)[-1]
    rows = [
        (name, i)
        for name, texts in zip(task.classes, task.predictor.symptoms.symptoms, strict=True)
        for i in range(len(texts))
    ]
    flipping = []
    for size in (1, 2):
        for chosen in combinations(rows, size):
            request = asked_for(task)
            for name, index in chosen:
                request["lists"][name][index]["on"] = False
            found, _ = diagnose(task, features, read_request(task, request))
            if found.prediction != diagnosis.prediction:
                flipping.append(chosen)
    assert ("flips without" in sentence) == bool(flipping)


# ---- what the page is told once


def test_task_config_is_json_and_names_the_finding(task, tasks):
    config = json.loads(json.dumps(task_config(task, tasks)))
    assert config["classes"][config["finding"]] == "pneumonia" and 0 < config["mix"] < 1
    assert {entry["from"] for entry in config["library"]} >= {"pneumonia", "chestxray14"}
    texts = [entry["text"] for entry in config["library"]]
    assert set(task.predictor.symptoms.texts) <= set(texts) and len(texts) == len(set(texts))


def test_task_config_melanoma_is_the_finding_although_it_comes_first(tasks):
    config = task_config(tasks["melanoma"], tasks)
    assert config["classes"][config["finding"]] == "melanoma"
    card = tasks["melanoma"].predictor.vip.card
    assert config["cutoffs"][1]["at"] == pytest.approx(1 - card.threshold)
    recall = card.figures["test"]["at_threshold"]["recall"]
    assert config["cutoffs"][1]["found"] == recall["melanoma"]


def test_cutoffs_of_a_task_without_figures_are_unknown():
    assert cutoffs(None, ("a", "b"), 1) == [{"kind": "half", "at": 0.5, "found": None, "false_alarms": None}]


def test_distributions_shares_are_of_each_group(task, features):
    asked = read_request(task, asked_for(task))
    diagnosis, text = diagnose(task, features, asked)
    _, below = distributions(task, asked, diagnosis, text)
    bank = task.predictor.vip.reference
    for row, scored in enumerate(diagnosis.symptoms):
        for label in (0, 1):
            values = bank.similarities(text)[bank.labels == label, row]
            assert below[row][label] == round(100 * (values < scored.similarity).float().mean().item())


@pytest.mark.parametrize(
    ("symptom", "words"),
    [
        ("opacity in the left lung", "Left and right"),
        ("opacity, upper zone", "Zones are not distinguished"),
        ("大片白色阴影", "Not English"),
        ("patchy opacity", ""),
    ],
)
def test_note_says_which_words_cannot_matter(task, symptom, words):
    found = note(symptom, cautions(task))
    assert (words in found) and bool(words) == bool(found)


def test_note_of_a_side_and_a_zone_names_both_and_zones_only_for_vip_mini(task):
    line = "opacity in the left lower zone"
    own = note(line, cautions(task))
    assert "Left and right" in own and "Zones" in own
    vip = copy(task.predictor.vip)
    backbone = copy(vip.backbone)
    backbone.name = "ViT-B-16"
    vip._frozen = (backbone,)
    other = note(line, cautions(replace(task, predictor=Predictor(vip))))
    assert "Left and right" in other and "Zones" not in other


def test_rescore_gives_the_aurocs_of_a_library_without_an_image(tasks, task):
    texts = [entry["text"] for entry in task_config(task, tasks)["library"]][:3]
    asked = {"task": "pneumonia", "choice": 1, "id": 2, "library": {"class": "pneumonia", "texts": texts}}
    answer = rescore(tasks, Visit(), asked)
    assert answer["library"] == {"class": "pneumonia", "aurocs": aurocs(task, "pneumonia", texts)}
    assert all(0 <= value <= 1 for value in answer["library"]["aurocs"]) and "rows" not in answer
