"""Hold-outs keep patients together and classes in their share; no draw depends on the order of the rows."""

import random
from collections import Counter
from pathlib import Path

import pytest

from vip_core.data.dataset import Dataset, Row
from vip_core.data.splits import few_shot, hold_out, refuse_shared_patients, split_three_ways
from vip_core.errors import DataError

CLASSES = ("healthy", "ill")


def make_rows(patients: int, most_images: int = 5, seed: int = 0) -> list[Row]:
    """Patients of either class with one to `most_images` images each; every fifth has images of both classes."""
    rng = random.Random(seed)
    rows = []
    for number in range(patients):
        for image in range(rng.randint(1, most_images)):
            label = rng.randint(0, 1) if number % 5 == 0 else number % 2
            rows.append(Row(Path(f"p{number}_{image}.png"), label, f"p{number}"))
    return rows


def patients(rows) -> set[str]:
    return {row.patient for row in rows}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.1, 0.2])
def test_hold_out_keeps_patients_together_and_each_class_in_its_share(seed, fraction):
    rows = make_rows(200, seed=seed)
    kept, held = hold_out(rows, fraction, CLASSES)
    assert sorted(map(str, [*kept, *held])) == sorted(map(str, rows))
    assert patients(kept).isdisjoint(patients(held))
    shares = Counter(row.label for row in held), Counter(row.label for row in rows)
    assert all(abs(shares[0][label] - fraction * shares[1][label]) <= 5 for label in (0, 1))


def test_hold_out_does_not_depend_on_the_order_of_the_rows():
    rows = make_rows(60)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert set(hold_out(rows, 0.1, CLASSES)[1]) == set(hold_out(shuffled, 0.1, CLASSES)[1])


def test_hold_out_is_the_same_on_every_machine():
    rows = [Row(Path(f"{label}{number}.png"), label, f"{label}{number}") for label in (0, 1) for number in range(20)]
    assert sorted(patients(hold_out(rows, 0.1, CLASSES)[1])) == ["010", "03", "115", "117"]


def test_hold_out_by_a_group_wider_than_the_patient():
    rows = [Row(Path(f"{n}{kind}.png"), 0, f"{n}{kind}", {"number": str(n)}) for n in range(30) for kind in "ab"]
    kept, held = hold_out(rows, 0.1, CLASSES, group=lambda row: row.details["number"])
    assert len(held) == 6
    assert {row.details["number"] for row in kept}.isdisjoint(row.details["number"] for row in held)


def test_hold_out_by_a_stratum_finer_than_the_class():
    rows = [Row(Path(f"{n}.png"), 0, str(n), {"subtype": "virus" if n % 10 == 0 else "bacteria"}) for n in range(400)]
    _, held = hold_out(rows, 0.1, CLASSES, stratum=lambda row: row.details["subtype"])
    assert Counter(row.details["subtype"] for row in held) == {"virus": 4, "bacteria": 36}


@pytest.mark.parametrize("count", [3, 5, 7])
def test_hold_out_keeps_the_patient_that_is_as_near_to_the_share_either_way(count):
    rows = [Row(Path(f"{n}.png"), 0, str(n)) for n in range(count)]
    kept, held = hold_out(rows, 0.5, CLASSES)
    assert len(held) == len(kept) - 1


def test_hold_out_takes_one_patient_of_a_class_too_small_for_its_share():
    rows = [Row(Path(f"a{n}.png"), 0, f"a{n}") for n in range(40)] + [
        Row(Path(f"b{n}.png"), 1, f"b{n}") for n in (0, 1)
    ]
    kept, held = hold_out(rows, 0.1, CLASSES)
    assert [sum(row.label for row in part) for part in (kept, held)] == [1, 1]


def test_split_three_ways_is_70_10_20_by_patient():
    rows = make_rows(300, most_images=3)
    splits = split_three_ways(rows, CLASSES)
    shares = {split: len(part) / len(rows) for split, part in splits.items()}
    assert shares == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.01)
    refuse_shared_patients(splits)


def test_split_three_ways_needs_three_patients_per_class():
    rows = [Row(Path(f"{label}{n}.png"), label, f"{label}{n}") for label in (0, 1) for n in range(3)]
    assert {split: len(part) for split, part in split_three_ways(rows, CLASSES).items()} == {
        "train": 2,
        "val": 2,
        "test": 2,
    }
    with pytest.raises(DataError, match="The class 'ill' has images of only 2 patients, and 3 are needed"):
        split_three_ways(rows[:-1], CLASSES)


def test_hold_out_takes_the_smallest_group_of_a_class_too_small_for_its_share():
    sizes = {"large": 4, "small": 2, "middle": 3}  # a tenth of 9 is nearer to 0 than to 2
    rows = [Row(Path(f"a{n}.png"), 0, f"a{n}") for n in range(60)]
    rows += [Row(Path(f"{name}{i}.png"), 1, name) for name, size in sizes.items() for i in range(size)]
    assert patients(row for row in hold_out(rows, 0.1, CLASSES)[1] if row.label == 1) == {"small"}


@pytest.mark.parametrize("seed", range(200))
def test_split_three_ways_serves_three_patients_with_any_numbers_of_images(seed):
    rng = random.Random(seed)
    rows = [
        Row(Path(f"{label}{n}_{i}.png"), label, f"{label}{n}")
        for label in (0, 1)
        for n in range(3)
        for i in range(rng.randint(1, 9))
    ]
    splits = split_three_ways(rows, CLASSES)
    assert all({row.label for row in part} == {0, 1} for part in splits.values())
    refuse_shared_patients(splits)


@pytest.mark.parametrize("seed", range(200))
def test_split_three_ways_of_classes_that_share_patients_leaves_no_split_without_a_class(seed):
    rng = random.Random(seed)
    rows = [Row(Path(f"{i}.png"), rng.randint(0, 1), f"p{rng.randint(0, 7)}") for i in range(30)]
    try:
        splits = split_three_ways(rows, CLASSES)
    except DataError:
        return
    assert all({row.label for row in part} == {0, 1} for part in splits.values())


def test_hold_out_by_content_does_not_depend_on_how_paths_and_patients_are_spelt():
    names = [f"{label}{number}" for label in (0, 1) for number in range(30)]
    held = []
    for spelling in ("data/{}.png", "/mnt/other/{}.JPG"):
        rows = [Row(Path(spelling.format(n)), int(n[0]), spelling.format(n), digest=f"content of {n}") for n in names]
        held.append({row.digest for row in hold_out(rows, 0.1, CLASSES)[1]})
    assert held[0] == held[1] and len(held[0]) == 6


def test_hold_out_refuses_a_class_of_one_patient():
    rows = [Row(Path(f"a{n}.png"), 0, f"a{n}") for n in range(3)] + [Row(Path(f"b{n}.png"), 1, "b") for n in range(3)]
    with pytest.raises(DataError, match="The class 'ill' has images of only 1 patient, and 2 are needed"):
        hold_out(rows, 0.1, CLASSES)


def test_refuse_shared_patients_names_the_patient():
    rows = {"train": [Row(Path("a.png"), 0, "Ada")], "test": [Row(Path("b.png"), 0, "Ada")]}
    with pytest.raises(DataError, match=r"The patient 'Ada' is in train \(a.png\) and in test \(b.png\)"):
        refuse_shared_patients(rows)


def test_few_shot_draws_equally_from_each_class_whatever_the_order_of_the_rows():
    rows = make_rows(40)
    chosen = few_shot(rows, 8, seed=3, classes=CLASSES)
    assert Counter(row.label for row in chosen) == {0: 8, 1: 8}
    assert set(chosen) <= set(rows)
    assert chosen == few_shot(random.Random(2).sample(rows, len(rows)), 8, seed=3, classes=CLASSES)
    assert chosen == tuple(sorted(chosen, key=lambda row: row.path.as_posix()))


def test_few_shot_differs_by_seed_and_grows_by_adding():
    rows = make_rows(40)
    assert few_shot(rows, 4, seed=1, classes=CLASSES) != few_shot(rows, 4, seed=2, classes=CLASSES)
    assert set(few_shot(rows, 4, seed=1, classes=CLASSES)) < set(few_shot(rows, 8, seed=1, classes=CLASSES))


def test_few_shot_names_the_class_and_its_number_of_images():
    rows = [Row(Path(f"a{n}.png"), 0, f"a{n}") for n in range(5)] + [Row(Path("b.png"), 1, "b")]
    with pytest.raises(DataError, match="Class 'ill' has 1 image; --shots 2 needs at least 2"):
        few_shot(rows, 2, seed=1, classes=CLASSES)
    with pytest.raises(DataError, match="--shots is 0; each class needs at least 1"):
        few_shot(rows, 0, seed=1, classes=CLASSES)


def test_dataset_split_refuses_an_unknown_or_empty_split():
    data = Dataset("folder", CLASSES, (Row(Path("a.png"), 0, "a"),), (), ())
    assert data.split("train") == data.train
    with pytest.raises(DataError, match="'dev' is not a split; choose train, val, test or all"):
        data.split("dev")
    with pytest.raises(DataError, match="folder has no test images"):
        data.split("test")
