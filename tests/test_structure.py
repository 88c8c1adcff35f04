"""The shape of the code: the size of files, imports of scripts, and public names that are alike with other meanings."""

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

from tests.conftest import PROJECT

FILES = sorted([PROJECT / "app.py", *PROJECT.glob("vip_core/**/*.py"), *PROJECT.glob("demo/**/*.py")])
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
SCRIPTS = sorted(PROJECT.glob("assets/*/*.js"))
MAX_LINES, MAX_MEDIAN = 320, 150
# Names that several modules define with one meaning. Rename everything else.
SAME_MEANING = {
    "main": "the entry point of a command",
    "train": "the library's function and the command that calls it",
    "generate": "the library's function and the command that calls it",
    "pretrain": "the library's function and the command that calls it",
    "save_state": "write the state of an interrupted run, of training or of pretraining",
    "load_state": "read that state",
    "check_same_run": "refuse a state of another run",
    "switch_task": "what a page shows after a change of the task",
    "clear": "empty a visitor's page: the handler and what it computes",
    "read": "take a visitor's image: the handler and what it computes",
    "rescore": "score a visitor's image again: the handler and what it computes",
    **{f"figure{number}": "a figure of the paper: its command, its plan and its drawing" for number in range(1, 6)},
    **{f"table{number}": "a table of the paper: its command and its plan" for number in range(1, 4)},
    "answer": "answer a request: of a visitor, or of the page to its decoding process",
    "fit_probe": "fit a logistic regression on features",
    "mean_auroc": "AUROC, averaged over classes",
    "model_card": "a model card: as HTML on the page, as Markdown for the Hub",
    "VIEWS": "a number of random views of an image",
    "Json": "a JSON object",
    "Tasks": "the tasks of the page by name",
}


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def definitions(tree: ast.Module) -> set[tuple[str, str]]:
    """(kind, name) of the classes, functions and constants that a module defines at its top level."""
    found: set[tuple[str, str]] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found.add(("class", node.name))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(("function", node.name))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            found |= {("constant" if name.isupper() else "class", name) for name in names}
    return {(kind, name) for kind, name in found if not name.startswith("_")}


def module(path: Path) -> tuple[str, ...]:
    """The parts of a module's dotted name; those of the package for `__init__.py`."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported() -> set[tuple[tuple[str, ...], str]]:
    """(module, name) of what the project's modules import from each other."""
    found = set()
    for path, tree in TREES.items():
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
            package = path.parent.relative_to(PROJECT).parts
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = (*base, *(node.module.split(".") if node.module else ()))
            found |= {(source, name.name) for name in node.names}
    return found


def alike(kind: str, name: str) -> str:
    """The same for names that a reader confuses: case, underscores and the plural of a class do not count."""
    return name.replace("_", "").casefold().removesuffix("s" if kind == "class" else "")


def imported_scripts(path: Path) -> set[Path]:
    """What a script imports; those of assets/web have assets/page in a folder `page`, as the static page does."""
    source = path.read_text(encoding="utf-8")
    names = re.findall(r"^import [^;]* from \"\./([\w/-]+\.js)\";$", source, re.MULTILINE)
    assert len(names) == len(re.findall(r"^import\b", source, re.MULTILINE)), path
    return {(path.parent.parent if name.startswith("page/") else path.parent) / name for name in names}


def shared_names() -> dict[str, list[str]]:
    """Classes, functions, and constants used beyond their module, that are alike in several modules."""
    used = imported()
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, tree in TREES.items():
        for kind, name in definitions(tree) - {
            (kind, name) for kind in ("function", "class", "constant") for name in SAME_MEANING
        }:
            if kind != "constant" or (module(path), name) in used:
                places[kind, alike(kind, name)].append(f"{path.relative_to(PROJECT)}: {name}")
    return {
        f"{kind} {name}": found
        for (kind, name), found in sorted(places.items())
        if len({place.split(":")[0] for place in found}) > 1
    }


def test_public_names_alike_have_one_meaning():
    assert shared_names() == {}


def test_alike_finds_what_a_reader_confuses():
    assert alike("class", "Finding") == alike("class", "Findings") != alike("class", "Found")
    assert alike("function", "read_row") == alike("function", "readrow") != alike("function", "read_rows")


def test_definitions_are_found_in_every_form():
    tree = ast.parse("class A: ...\ndef b(): ...\nC = D = 1\nE: int = 2\nFoo = dict[str, int]\n_g = 3\n")
    assert definitions(tree) == {
        ("class", "A"),
        ("function", "b"),
        ("constant", "C"),
        ("constant", "D"),
        ("constant", "E"),
        ("class", "Foo"),
    }


def test_no_file_is_longer_than_the_limit():
    long = [path for path in [*FILES, *SCRIPTS] if lines(path) > MAX_LINES]
    assert [f"{path.relative_to(PROJECT)}: {lines(path)}" for path in long] == []


def test_scripts_import_one_way():
    imports = {path: imported_scripts(path) for path in SCRIPTS}
    assert set().union(*imports.values()) <= set(SCRIPTS)
    assert len(list(TopologicalSorter(imports).static_order())) == len(SCRIPTS)  # raises CycleError for a circle


def test_median_file_is_short():
    assert median(lines(path) for path in SCRIPTS) <= MAX_MEDIAN
    assert median(lines(path) for path in FILES if path.name != "__init__.py") <= MAX_MEDIAN
