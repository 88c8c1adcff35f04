"""What reaches the log: no text or file name of a visitor, and no character that could forge a line."""

import logging
import sys
import traceback
import unicodedata
from pathlib import Path
from types import TracebackType

MAX_LINE = 2_000  # characters


UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's control, format and separating characters


def escaped(text: str) -> str:
    """Text whose control and direction characters are visible, so that it stays one line of the log."""
    return "".join(f"\\u{ord(char):04x}" if unicodedata.category(char) in UNSEEN else char for char in text)


def without_values(kind: type[BaseException], trace: TracebackType | None) -> str:
    """An exception as its kind and the code that it passed, without its message, which may quote a visitor."""
    steps = [f"{step.name} ({Path(step.filename).name}:{step.lineno})" for step in traceback.extract_tb(trace)]
    return " < ".join([kind.__name__, *steps[::-1][:8]])


class SafeFormatter(logging.Formatter):
    """One line per record, escaped and cut."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = f"{record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[0] is not None:
            text = f"{record.levelname} {record.name}: {without_values(record.exc_info[0], record.exc_info[2])}"
        return escaped(text)[:MAX_LINE]


class AtMost(logging.Filter):
    """Passes a limited number of identical records per minute, so that many requests do not flood the log."""

    def __init__(self, most: int = 10):
        super().__init__()
        self.most = most
        self._seen: dict[tuple[str, int], tuple[int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one passes."""
        key, minute = (record.pathname, record.lineno), int(record.created // 60)
        since, count = self._seen.get(key, (minute, 0))
        count = count + 1 if since == minute else 1
        self._seen[key] = (minute, count)
        return count <= self.most


def protect_log() -> None:
    """Use the safe format in every handler of the server's loggers, and for Gradio's exceptions."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter())
    handler.addFilter(AtMost())
    for name in ("", "uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "gradio", "httpx"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler] if name == "" else []
        logger.propagate = True

    def print_exc(*_: object, **__: object) -> None:  # Gradio's queue prints what a handler raised
        kind, _value, trace = sys.exc_info()
        if kind is not None:
            logging.getLogger("gradio").error("%s", without_values(kind, trace))

    traceback.print_exc = print_exc
