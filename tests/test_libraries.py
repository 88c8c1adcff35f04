"""Every symptom library that ships: read, sourced, short enough, and free of class names and repetition."""

import re

import pytest

from tests.conftest import PROJECT
from vip_core.symptoms import SymptomSet

FOLDER = PROJECT / "assets" / "symptoms"
LIBRARIES = sorted(FOLDER.glob("*.json"))
CONTEXT = 4  # context vectors of the paper, and of `vip_core.train`


def words(text: str) -> list[str]:
    """Lower-case words; hyphens and other punctuation part them, and a plural's ending does not count."""
    return [
        re.sub(r"(?<=ss)es$|(?<=[^s])s$", "", word) for word in re.findall(r"\w+", text.casefold().replace("_", " "))
    ]


def names(symptom: str, name: str) -> bool:
    """Whether a class name stands in a symptom, word for word."""
    return f" {' '.join(words(name))} " in f" {' '.join(words(symptom))} "


@pytest.fixture(params=LIBRARIES, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def library(path) -> SymptomSet:
    return SymptomSet.load(path)


def test_there_are_at_least_eight_besides_the_two_with_checkpoints():
    assert len({path.stem for path in LIBRARIES} - {"pneumonia", "melanoma"}) >= 8


def test_the_readme_lists_every_file_once_and_no_other():
    listed = re.findall(r"^\| `(\w+\.json)`", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [path.name for path in LIBRARIES]


def test_it_says_what_it_is_for_and_where_it_comes_from(library):
    assert library.modality.strip()
    assert library.source["author"].strip()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", library.source["date"])
    references = library.source["references"]
    assert references and len(set(references)) == len(references)
    assert all(re.search(r"\b(19|20)\d\d\b", reference) for reference in references)


def test_each_class_has_four_to_eight_symptoms(library):
    assert all(4 <= count <= 8 for count in library.counts)


def test_no_symptom_names_a_class(library):
    assert [(line, name) for line in library.texts for name in library.classes if names(line, name)] == []


def test_symptoms_are_short(library):
    assert [line for line in library.texts if len(line.split()) > 12] == []


def test_no_symptom_stands_twice(library):
    plain = [tuple(words(line)) for line in library.texts]
    assert [line for line in plain if plain.count(line) > 1] == []


def test_prompts_fit_clip(library, backbone):
    assert backbone.context_length == 77
    assert [line for line in library.texts if backbone.token_count(line) + CONTEXT > 77] == []


def test_saving_changes_nothing(library, path, tmp_path):
    library.save(tmp_path / "again.json")
    assert SymptomSet.load(tmp_path / "again.json") == library
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("symptom", "name", "found"),
    [
        ("small nodules in both lungs", "Nodule", True),
        ("large masses", "Mass", True),
        ("signs of COVID 19 in the lung", "COVID-19", True),
        ("smooth pleural thickening", "Pleural_Thickening", True),
        ("abnormally deep sulcus", "normal", False),
        ("nodular edge", "Nodule", False),
        ("thickened pleura", "Pleural Thickening", False),
    ],
)
def test_class_names_are_found_word_for_word(symptom, name, found):
    assert names(symptom, name) is found
