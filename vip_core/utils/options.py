"""Flags declared once: a command's parameters, or the fields of a data class, as typer options."""

import inspect
import math
import sys
from collections.abc import Callable
from contextvars import copy_context
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from vip_core.errors import UsageError

Main = Callable[[list[str]], int]  # arguments -> exit status
EngineName = Annotated[
    Literal["local", "ray"],
    typer.Option(help="what encodes the images: this process (local), or the workers of a Ray cluster"),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="address of the Ray cluster, such as ray://HOST:10001",
        show_default="a new one on this machine",
    ),
]
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # click's UsageError, which typer does not export by its own name


class Command(TyperCommand):
    """A typer command whose list options take several values after one flag: `--classes normal pneumonia`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Repeat the flag before each further value, which is the form that click reads."""
        lists = {flag for option in self.params if getattr(option, "multiple", False) for flag in option.opts}
        spread: list[str] = []
        flag = ""  # the list option whose values are being read
        for argument in args:
            if argument.startswith("-"):
                flag = argument if argument in lists else ""
                spread += [] if flag else [argument]
            else:
                spread += [flag, argument] if flag else [argument]
        return super().parse_args(ctx, spread)


def command(function: Callable[..., int], name: str) -> Main:
    """The `main(argv)` of a command.

    Args:
        function: its parameters are the flags, as typer reads them. A parameter whose type is a data class becomes one
            flag per field, with the `typer.Option` of the field's annotation.
        name: after `vip` or `python -m vip_core.`; anything with a space or a dot in it is shown as it is.

    Returns:
        A function that parses the arguments, calls `function` and returns its exit status, 0 after --help. It raises
        UsageError for arguments that cannot be parsed.
    """

    @wraps(function)
    def main(argv: list[str]) -> int:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(cls=Command)(_flat(function))
        called = typer.main.get_command(app)
        program = _program(name)
        try:
            with called.make_context(program, [*argv]) as context:
                return copy_context().run(called.invoke, context)  # what a command sets ends with it
        except typer.Exit as leaving:  # after --help
            return leaving.exit_code
        except USAGE_ERROR as error:
            message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")  # type: ignore[attr-defined]
            raise UsageError(f"{message}; see {program} --help.") from error

    return main


def _program(name: str) -> str:
    if not name.isidentifier():
        return name
    return f"vip {name}" if Path(sys.argv[0]).stem == "vip" else f"python -m vip_core.{name}"


def _flat(function: Callable[..., int]) -> Callable[..., int]:
    """The function with the fields of data classes in place of its parameters of that type."""
    # Not typing.get_type_hints: up to Python 3.10 it makes Optional[Annotated[…]] of what has the default None.
    hints = inspect.get_annotations(function, eval_str=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    def flat(**values: Any) -> int:  # noqa: ANN401
        for name, kind in groups.items():
            given = {field.name: values.pop(field.name) for field in fields(kind)}
            values[name] = kind(**{key: value for key, value in given.items() if value is not None})  # type: ignore[operator]
        return function(**values)

    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        if kind := groups.get(parameter.name):
            own = get_type_hints(kind, include_extras=True)
            parameters += [
                _option(field.name, own[field.name], None if callable(field.default_factory) else field.default)
                for field in fields(kind)
            ]
        else:
            default = MISSING if parameter.default is parameter.empty else parameter.default
            parameters.append(_option(parameter.name, hints[parameter.name], default))
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    flat.__doc__ = function.__doc__
    return flat


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401
    """A parameter as typer reads it.

    With a parser of its own, a flag is a string to typer, and its default stays out of typer's hands, which would have
    it parsed too; the data class knows it.
    """
    if get_origin(annotation) is Annotated:
        kind, option = get_args(annotation)[:2]
        if option.parser is not None:
            option = copy(option)
            if isinstance(option, OptionInfo) and default not in (MISSING, None) and option.show_default is True:
                option.show_default = str(default)
            kind, default = str | None, (MISSING if default is MISSING else None)
        annotation = Annotated[kind, option]
    empty = inspect.Parameter.empty if default is MISSING else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=empty, annotation=annotation)


# ---- what a flag's text may be


def check_ranges(values: Any) -> None:  # noqa: ANN401
    """Check a data class's values against the ranges of its options, for callers from Python. Raises UsageError."""
    for name, annotation in get_type_hints(type(values), include_extras=True).items():
        value, option = getattr(values, name), get_args(annotation)[1]
        if value is None or isinstance(value, str | bool):
            continue
        if option.min is not None and value < option.min:
            raise UsageError(f"{name} is {value}; it must be at least {option.min}.")
        if option.max is not None and value > option.max:
            raise UsageError(f"{name} is {value}; it must be at most {option.max}.")
        if option.parser is not None:
            try:
                option.parser(str(value))
            except typer.BadParameter as error:
                raise UsageError(f"{name}: {error.message}.") from error


def not_negative(text: str) -> float:
    """A finite number, 0 or more."""
    return _number(text, lambda number: number >= 0, "a finite number, 0 or more")


def above_zero(text: str) -> float:
    """A finite number above 0."""
    return _number(text, lambda number: number > 0, "a number above 0")


def fraction(text: str) -> float:
    """A share of a whole, above 0 and at most 1."""
    return _number(text, lambda number: 0 < number <= 1, "a share of a whole, above 0 and at most 1")


def part(text: str) -> float:
    """A part of a whole, from 0 to 1."""
    return _number(text, lambda number: 0 <= number <= 1, "a part of a whole, from 0 to 1")


def _number(text: str, allowed: Callable[[float], bool], what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and allowed(number)):
        raise typer.BadParameter(f"{text!r} is not {what}")
    return number
