"""The log: one line per record, no forged line, nothing that a visitor wrote in an exception."""

import logging
import sys

from demo.server.log import AtMost, SafeFormatter, escaped


def record(message, *values, exception=None):
    return logging.LogRecord("gradio", logging.ERROR, __file__, 1, message, values, exception)


def test_escaped_shows_characters_that_would_forge_a_line():
    assert escaped("a\nINFO: all is well\x1b[2J\u202e") == "a\\u000aINFO: all is well\\u001b[2J\\u202e"


def test_safe_formatter_gives_one_line_of_bounded_length():
    line = SafeFormatter().format(record("%s", "x\ny" * 5_000))
    assert "\n" not in line and len(line) == 2_000


def test_safe_formatter_names_an_exception_without_its_message():
    try:
        raise ValueError("jane-doe-1961.jpeg")
    except ValueError:
        line = SafeFormatter().format(record("jane-doe-1961.jpeg failed", exception=sys.exc_info()))
    assert "ValueError" in line and "test_log.py" in line and "jane" not in line


def test_at_most_drops_a_flood_of_equal_records():
    passes = AtMost(10)
    assert sum(passes.filter(record("again")) for _ in range(1_000)) <= 20  # two minutes may begin meanwhile
