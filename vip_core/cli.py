"""The command `vip` and its subcommands; errors become one sentence and an exit status."""

import sys
from importlib import import_module
from importlib.metadata import entry_points
from typing import NoReturn

from vip_core import __version__
from vip_core.errors import UsageError, ViPError
from vip_core.utils.memory import keep_freed_memory
from vip_core.utils.options import Main

COMMANDS = {
    "train": "Train the prompts on a data set and write a checkpoint.",
    "evaluate": "Measure a checkpoint on a split of a data set.",
    "score": "Score images with a checkpoint.",
    "generate": "Have a language model write visual symptoms.",
    "pretrain": "Make the embedded backbone, vip-mini, from public data, or devise-mini without data.",
    "backbone": "Save a backbone to a folder, for use without a network.",
    "experiments": "Reproduce the paper's tables and figures on a data set.",
}
# What the demo adds. vip_core never imports it, so each is looked up by name.
OF_THE_DEMO = {
    "demo": ("serve", "Serve the web page."),
    "export-web": ("export_web", "Write the page as static files, with the model in the browser."),
}


def run(main: Main, keep_memory: bool = False) -> NoReturn:
    """Run a command with the process's arguments and exit with its status: 2 after an error, 130 after Ctrl-C.

    Args:
        main: the command.
        keep_memory: whether the process keeps memory that it frees; for commands that send many images through a tower.
    """
    if keep_memory:
        keep_freed_memory()
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except ViPError as error:
        print(f"error: {error}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt or 'Interrupted.'}", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `… | head`; leave nothing for the interpreter to flush into it.
        sys.stdout = None  # type: ignore[assignment]
        status = 1
    except OSError as error:  # a name too long, a folder without permission, a full disk behind standard output
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}.", file=sys.stderr)
        sys.stdout = None  # type: ignore[assignment]
        status = 2
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's own, named so that it need not be imported here
            raise
        print("error: The device is out of memory; free some, or set VIP_DEVICE=cpu.", file=sys.stderr)
        status = 2
    sys.exit(status)


def vip(argv: list[str]) -> int:
    """Run one of the commands. Returns its exit status."""
    name, *rest = argv or ["--help"]
    if name in ("--help", "-h"):
        print("Usage: vip COMMAND [OPTIONS]\n\nVisual symptoms as prompts. Research use only.\n\nCommands:")
        for listed, what in [*COMMANDS.items(), *((each, what) for each, (_, what) in OF_THE_DEMO.items())]:
            print(f"  {listed:<12}{what}")
        print("\nvip COMMAND --help lists the options of a command.")
        return 0
    if name == "--version":
        print(f"vip {__version__}")
        return 0
    if name in COMMANDS:
        return _main(name)(rest)
    if name in OF_THE_DEMO:
        return _of_the_demo(name, rest)
    known = ", ".join([*COMMANDS, *OF_THE_DEMO])
    raise UsageError(f"There is no command {name}; use one of {known}, or vip --help.")


def _main(name: str) -> Main:
    """The `main` of a command: a module, or a package that runs as one."""
    module = import_module(f"vip_core.{name}")
    return (import_module(f"{module.__name__}.__main__") if hasattr(module, "__path__") else module).main


def _of_the_demo(name: str, rest: list[str]) -> int:
    """Run a command of the demo. Raises UsageError where a package that it needs is not installed."""
    module, _ = OF_THE_DEMO[name]
    extra = "web" if name == "export-web" else "demo"
    try:
        for entry in entry_points(group="vip.commands", name=name):
            return entry.load()(rest)
        return import_module(f"demo.{module}").main(rest)  # a checkout that is not installed
    except ModuleNotFoundError as error:
        raise UsageError(
            f"vip {name} needs {error.name}, which is not installed; run pip install 'vip-core[{extra}]'."
        ) from error


def main() -> NoReturn:
    """The console script `vip`."""
    run(vip, keep_memory=bool(COMMANDS.keys() & sys.argv[1:2]))


if __name__ == "__main__":
    main()
