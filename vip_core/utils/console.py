"""Standard error for people, so that standard output can hold results alone."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True)


def progress(disable: bool = False) -> Progress:
    """The progress bar of all long work, on standard error; what is printed meanwhile stays on standard output."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        redirect_stdout=False,
        disable=disable,
    )
