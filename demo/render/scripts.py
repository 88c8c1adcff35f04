"""The page's own scripts: modules of assets/page joined into one function body, as Gradio's HTML component takes it."""

import re
from functools import cache

from vip_core.utils.paths import PROJECT

MODULES = (
    "dom",
    "format",
    "prior",
    "store",
    "classes",
    "strip",
    "heat",
    "pane",
    "window",
    "suggest",
    "rows",
    "answer",
    "viewer",
    "keeping",
    "more",
    "bench",
    "zip",
    "pages",
    "gradio",
)
_IMPORT = re.compile(r"^import .* from \"\./\w+\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:class|function|const|async)\b)", re.MULTILINE)


@cache
def bench_script() -> str:
    """The modules in order of their imports, without imports and exports, and the call that starts the page."""
    folder = PROJECT / "assets" / "page"
    sources = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in MODULES]
    body = "\n".join(_EXPORT.sub("", _IMPORT.sub("", source)) for source in sources)
    return f"{body}\nstart({{ element, trigger, props, upload, watch }});\n"
