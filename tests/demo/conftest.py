"""The demo's tasks, loaded once: the checkpoints of the project, or of VIP_CHECKPOINTS."""

import pytest

from demo.state.tasks import load_tasks


@pytest.fixture(scope="session")
def tasks():
    return load_tasks()


@pytest.fixture(scope="session")
def task(tasks):
    return tasks["pneumonia"]


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
