"""The page's scripts as one function body: joined after what they import, and without names that hide each other."""

import re
from collections import Counter

from demo.render.scripts import MODULES, modules
from vip_core.utils.paths import PROJECT

NAME = re.compile(r"^(?:async )?(?:class|function|const|let) (\w+)", re.MULTILINE)
IMPORT = re.compile(r"^import \{(.+)\} from \"\./(\w+)\.js\";$", re.MULTILINE)
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in (PROJECT / "assets" / "page").glob("*.js")}


def test_modules_are_all_scripts_each_after_what_it_imports():
    assert sorted(MODULES) == sorted(SOURCES)
    for index, name in enumerate(MODULES):
        imported = {other for _, other in IMPORT.findall(SOURCES[name])}
        assert imported <= set(MODULES[:index]), name


def test_modules_join_without_import_and_export():
    assert re.findall(r"^(?:import|export)\b.*", modules(), re.MULTILINE) == []


def test_modules_define_each_name_once():
    assert {name: count for name, count in Counter(NAME.findall(modules())).items() if count > 1} == {}


def test_modules_import_what_is_exported_and_used():
    for name, source in SOURCES.items():
        body = IMPORT.sub("", source)
        for names, other in IMPORT.findall(source):
            for each in map(str.strip, names.split(",")):
                assert re.search(rf"^export .*\b{each}\b", SOURCES[other], re.MULTILINE), f"{name}: {each} of {other}"
                assert re.search(rf"\b{each}\b", body), f"{name}: {each} is not used"
