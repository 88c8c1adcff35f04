"""Lists as text: lines that are switched off, and lists that are too long."""

import pytest

from demo.state.lists import MAX_CHARACTERS, parse_boxes, refuse_long
from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

CLASSES = ("normal lung", "pneumonia")
OWN = SymptomSet(CLASSES, (("clear", "sharp"), ("dense", "patchy", "streaky", "hazy")), "chest X-ray", {"author": "us"})


# ---- lines


def test_a_line_that_begins_with_a_hash_is_left_out():
    assert parse_boxes(OWN, ("clear\n# sharp", "#dense\n  ## patchy\nstreaky # not hazy")).symptoms == (
        ("clear",),
        ("streaky # not hazy",),
    )


def test_a_list_of_which_all_lines_are_off_says_so():
    with pytest.raises(SymptomError, match="All symptoms of “pneumonia” are switched off"):
        parse_boxes(OWN, ("clear", "# dense\n#"))


def test_refuse_long_names_the_list():
    refuse_long({"pneumonia": "x" * MAX_CHARACTERS})
    with pytest.raises(SymptomError, match="“pneumonia”"):
        refuse_long({"pneumonia": "x" * (MAX_CHARACTERS + 1)})
