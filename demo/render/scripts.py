"""The page's own scripts: modules of assets/page joined into one function body, as Gradio's HTML component takes it."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from vip_core.utils.paths import PROJECT

MODULES = (
    "dom",
    "format",
    "prior",
    "store",
    "classes",
    "keeping",
    "tasks",
    "meaning",
    "strip",
    "heat",
    "pane",
    "colour",
    "window",
    "suggest",
    "wordings",
    "row",
    "row_scores",
    "row_keys",
    "row_drag",
    "group",
    "rows",
    "answer",
    "image_input",
    "zoom",
    "gestures",
    "panes",
    "map",
    "viewer",
    "more",
    "comparison",
    "results",
    "shortcuts",
    "class_dialog",
    "frame",
    "editing",
    "asking",
    "outputs",
    "bench",
    "zip",
    "pages",
    "gradio",
)
_IMPORT = re.compile(r"^import .* from \"\./\w+\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:class|function|const|async)\b)", re.MULTILINE)


CONFIG = "const config = "  # how the first line begins
# Small components carry what is asked and answered. Gradio copies and compares all that a component of an event holds,
# several times per event; of the one that holds the modules that would take longer than the scores. Edits have a
# component of their own: an event sends the value that its component has when it leaves, not when it was triggered.
EDITS_SCRIPT, QUESTIONS_SCRIPT = (
    f"(window.vipQuestions ??= {{}}).{name} = {{ trigger, props, upload }}; window.vipStart?.();"
    for name in ("edits", "others")
)
ANSWERS_SCRIPT = 'watch("value", () => props.value && document.querySelector(".vip-bench").answer(props.value));'


def bench_script(config: Mapping[str, Any]) -> str:
    """The description of the page, the modules, and the call that starts the page once all components are there."""
    return (
        f"{CONFIG}{json.dumps(config)};\n{modules()}\n"
        "window.vipStart = () => {\n"
        "  const { edits, others } = window.vipQuestions ?? {};\n"
        "  if (edits && others) start({ element, config, edits, others });\n"
        "};\n"
        "window.vipStart();\n"
    )


def read_config(script: str) -> dict[str, Any]:
    """The description of the page in a script."""
    return json.loads(script.partition("\n")[0].removeprefix(CONFIG).removesuffix(";"))


@cache
def modules() -> str:
    """The modules in order of their imports, without imports and exports."""
    folder = PROJECT / "assets" / "page"
    sources = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in MODULES]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", source)) for source in sources)
