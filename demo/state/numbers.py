"""Numbers as people write them: one minus sign, no signed zero, and no certainty that a model does not have."""

import math

PER_CENT = "\u00a0%"  # after a number, on the same line


def number(value: float, digits: int = 2, plus: str = "") -> str:
    """A number with a true minus sign. plus: what precedes a positive one. A value that rounds to zero has no sign."""
    text = f"{abs(value):.{digits}f}"
    if not text.strip("0."):
        return text
    return f"{'−' if value < 0 else plus}{text}"


def axis_end(value: float) -> str:
    """The end of an axis, without a needless ".0"."""
    return number(value, 1).removesuffix(".0")


def per_cent(probability: float) -> str:
    """A probability in per cent; never 0 % or 100 %."""
    if probability <= 0.005 or probability >= 0.995:
        return f"{'under 1' if probability < 0.5 else 'over 99'}{PER_CENT}"
    return f"{math.floor(100 * probability + 0.5)}{PER_CENT}"  # halves go up, as in the browser
