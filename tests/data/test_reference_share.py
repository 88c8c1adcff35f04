"""The images of the reference bank: a tenth, by patient, the same whoever asks."""

from pathlib import Path

from vip_core.data.dataset import Row
from vip_core.data.reference_share import divide_rows, held_for_reference, reference_group


def test_held_for_reference_takes_a_tenth_of_the_groups():
    held = [held_for_reference(f"patient {number}") for number in range(5000)]
    assert 430 < sum(held) < 570  # 500 and three standard deviations
    assert held == [held_for_reference(f"patient {number}") for number in range(5000)]


def test_reference_group_is_the_coarsest_name_that_is_known():
    assert reference_group("person7_virus", {"number": "person7", "subtype": "virus"}) == "person7"
    assert reference_group("images/benign_3", {"group": "benign(3)"}) == "benign(3)"
    assert reference_group("images/basophil_1", {}) == "basophil_1" == reference_group("basophil_1", {"subtype": "BA"})


def test_divide_rows_keeps_groups_together_and_order():
    rows = [
        Row(Path(f"{number}-{view}.png"), 0, f"person{number}_{kind}", {"number": f"person{number}"})
        for number in range(300)
        for view, kind in enumerate(("bacteria", "virus"))
    ]
    kept, held = divide_rows(rows)
    assert sorted([*kept, *held], key=rows.index) == rows and kept == [row for row in rows if row in kept]
    assert held and not {row.details["number"] for row in kept} & {row.details["number"] for row in held}
