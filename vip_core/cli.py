"""What the command lines share: one place that turns an error into a sentence and an exit status."""

import argparse
import math
import sys
from collections.abc import Callable
from typing import NoReturn

import torch

from vip_core.errors import UsageError, ViPError


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are ours: one sentence, exit status 2."""

    def __init__(self, module: str, description: str):
        super().__init__(
            prog=f"python -m vip_core.{module}",
            description=description,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage and leaving."""
        raise UsageError(f"{message[0].upper()}{message[1:]}; see {self.prog} --help.")


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `least` on."""

    def whole_number(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too small, {least} is the least")
        if number >= 2**63:
            raise argparse.ArgumentTypeError(f"{number} is too large")
        return number

    return whole_number


def not_negative(text: str) -> float:
    """The type of an argument that is a finite number from 0 on."""
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number from 0 on")
    return number


def share(text: str) -> float:
    """The type of an argument that is a share of a whole, above 0 and at most 1."""
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{number} is not a share of a whole, above 0 and at most 1")
    return number


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command with the process's arguments and leave with its status: 2 after an error, 130 after Ctrl-C."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except ViPError as error:
        print(f"error: {error}", file=sys.stderr)
        status = error.exit_status
    except torch.OutOfMemoryError:
        print("error: The device has too little memory for this; free some, or set VIP_DEVICE=cpu.", file=sys.stderr)
        status = 2
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt or 'Interrupted.'}", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `… | head`; leave nothing for the interpreter to flush into it.
        sys.stdout = None  # type: ignore[assignment]
        status = 1
    except OSError as error:  # a name too long, a folder one may not enter, a full disk behind standard output
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}.", file=sys.stderr)
        sys.stdout = None  # type: ignore[assignment]
        status = 2
    sys.exit(status)
