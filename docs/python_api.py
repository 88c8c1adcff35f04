"""Write docs/python.md, the Python API, from the docstrings and signatures of the package's public names.

`python docs/python_api.py` writes it; with `--check` it only compares, and exits with status 1 if it is out of date.
"""

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import vip_core
import vip_core.training
import vip_core.vsg
from vip_core.training import TrainConfig

PAGE = Path(__file__).resolve().parent / "python.md"
SECTIONS = {  # title: module whose public names follow, and which of them
    "Scoring": (vip_core, ("Predictor", "Diagnosis")),
    "Models and symptoms": (vip_core, ("ViP", "SymptomSet", "Backbone", "ReferenceBank")),
    "Training": (vip_core.training, ("train", "TrainConfig")),
    "Generating symptoms": (vip_core.vsg, ("GenerationRequest", "Server", "generate", "ground")),
}
INTRODUCTION = """# Python API

<!-- Written by docs/python_api.py from the docstrings; change those, then run it. -->

Train a model on your own images, score an image, and see what an edited list changes:

```python
from vip_core import Predictor
from vip_core.training import TrainConfig, train

vip = train(TrainConfig(data="folder", root="images", symptoms="symptoms.json"), out="runs/mine")
print(vip.card.figures["test"])

predictor = Predictor(vip)  # or Predictor.from_pretrained("pneumonia")
predictor.set_image("scan.dcm")  # the image tower runs once
print(predictor.score().probabilities)
edited = {"normal": ["clear lungs"], "pneumonia": ["patchy opacity"]}
print(predictor.score(edited).probabilities)  # encodes only the symptoms that are new
```

Everything that a person can cause is a `vip_core.errors.ViPError` with one sentence that says what to do. Shapes are
written as (B, C); features are float32 and not normalised unless said otherwise. Research use only, not a medical
device."""


def page() -> str:
    """The page as Markdown."""
    parts = [INTRODUCTION]
    for title, (module, names) in SECTIONS.items():
        parts.append(f"## {title}")
        parts += [_described(module.__name__, name, getattr(module, name)) for name in names]
    return "\n\n".join(parts) + "\n"


def _described(module: str, name: str, value: Any) -> str:  # noqa: ANN401
    heading = f"### `{module}.{name}`"
    if not inspect.isclass(value):
        return "\n\n".join([heading, _code(name, value), _docstring(value)])
    parts = [heading, "" if dataclasses.is_dataclass(value) else _code(name, value), _docstring(value)]
    if value is TrainConfig:
        parts.append(_options(value))
    for method, function in _methods(value):
        parts += [f"#### `{name}.{method}`", _code(method, function), _docstring(function)]
    return "\n\n".join(part for part in parts if part)


def _methods(kind: type) -> list[tuple[str, Any]]:
    """Public methods of a class and of the package's classes that it extends, in order, each once."""
    found: dict[str, Any] = {}
    for owner in reversed(kind.__mro__):
        if not owner.__module__.startswith("vip_core"):
            continue
        for name, member in vars(owner).items():
            function = getattr(member, "__func__", member)
            if not name.startswith("_") and inspect.isfunction(function) and inspect.getdoc(getattr(kind, name)):
                found[name] = getattr(kind, name)
    return sorted(found.items(), key=lambda item: list(_order(kind)).index(item[0]))


def _order(kind: type) -> dict[str, None]:
    """Names as they are written: the class's own first."""
    return {name: None for owner in kind.__mro__ for name in vars(owner)}


def _code(name: str, function: Any) -> str:  # noqa: ANN401
    text = re.sub(r"<function \S+ at 0x\w+>", "…", str(inspect.signature(function)))  # a default with an address
    signature = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z]|\w+\[)", "", text.replace("'", ""))
    return f"```python\n{name}{signature}\n```"


def _docstring(value: Any) -> str:  # noqa: ANN401
    """The docstring, its Args, Returns and Raises as lists."""
    lines: list[str] = []
    for line in (inspect.getdoc(value) or "").splitlines():
        if re.fullmatch(r"(Args|Returns|Yields|Raises|Attributes):", line):
            lines += [f"{line[:-1]}:", ""]
        elif entry := re.match(r" {4}([\w, *]+): (.*)", line):
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line)
    return "\n".join(lines)


def _options(kind: type) -> str:
    """The fields of a data class whose annotations are options, as a table."""
    rows = ["| field | default | meaning |", "|---|---|---|"]
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        option = get_args(hints[field.name])[1]
        shown = option.show_default if isinstance(option.show_default, str) else f"`{field.default!r}`"
        default = "required" if field.default is dataclasses.MISSING else shown
        rows.append(f"| `{field.name}` | {default} | {option.help} |")
    return "\n".join(rows)


if __name__ == "__main__":
    if "--check" in sys.argv:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit("docs/python.md is out of date; run python docs/python_api.py")
    else:
        PAGE.write_text(page(), encoding="utf-8")
