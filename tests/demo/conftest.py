"""The demo's tasks, loaded once: the checkpoints of the project, or of VIP_CHECKPOINTS."""

import copy
from dataclasses import replace

import pytest

from demo.state.diagnosis import view_asked
from demo.state.lists import lines_of
from demo.state.request import read_request
from demo.state.tasks import load_tasks
from vip_core.scoring.predictor import Predictor


@pytest.fixture(scope="session")
def tasks():
    return load_tasks()


@pytest.fixture(scope="session")
def task(tasks):
    return tasks["pneumonia"]


@pytest.fixture(scope="session")
def held_out(task):
    """A function that gives the task with a card that says whether its reference images were kept out of training."""

    def with_card(held: bool):
        vip = copy.copy(task.predictor.vip)
        data = {**vip.card.data, "reference": {"held_out": held}}
        vip.card = vip.card.model_copy(update={"data": data})
        return replace(task, predictor=Predictor(vip))

    return with_card


@pytest.fixture(scope="session")
def xray(task):
    return task.examples[0][0]


@pytest.fixture(scope="session")
def features(task, xray):
    return task.predictor.encode(xray)


@pytest.fixture
def boxes(task):
    """The text of the boxes as the page first shows them."""
    return ["\n".join(lines) for lines in task.predictor.symptoms.symptoms]


@pytest.fixture(scope="session")
def view_lists():
    """A function that gives what the page shows for lists as text, one symptom per line, a # for what is off."""

    def view(task, features, texts, mode="vip"):
        lists = {
            name: [{"text": line.text, "on": line.on} for line in lines_of(text)]
            for name, text in zip(task.classes, texts, strict=True)
        }
        return view_asked(task, features, read_request(task, {"mode": mode, "lists": lists}))

    return view
