"""What the page states about a task."""

import pytest

from demo.state.cohort import reference_cohort
from demo.state.task_view import legend, reference_note, task_config

BIASED, KEPT_OUT = "optimistically biased", "kept out of training"


@pytest.mark.parametrize(("held", "said", "not_said"), [(False, BIASED, KEPT_OUT), (True, KEPT_OUT, BIASED)])
def test_reference_note_follows_the_card(held_out, tasks, held, said, not_said):
    task = held_out(held)
    (remark,) = reference_cohort(task).notes
    for text in (reference_note(task), legend(task), task_config(task, tasks)["reference_note"], remark):
        assert said in text and not_said not in text
