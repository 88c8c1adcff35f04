"""A plot as SVG within the page: axes, lines, dots and bars in its colours, so that it follows light and dark."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 330.0, 262.0  # pixels; shown at this size, so that the smallest text has 12 on the screen
LEFT, RIGHT, TOP, BOTTOM = 52.0, 8.0, 10.0, 48.0
Points = Sequence[tuple[float, float]]


class Plot:
    """A plot of values from `x` to `x` and from `y` to `y`; what is drawn later is on top.

    Args:
        x, y: ends of the axes.
        across, up: names of the axes.
        ticks_x, ticks_y: values that are named, with their names.
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        across: str,
        up: str,
        ticks_x: Sequence[tuple[float, str]],
        ticks_y: Sequence[tuple[float, str]],
    ):
        self.x, self.y = x, y
        self._legend = 0
        middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        self._parts = [
            f'<rect class="vip-plot-frame" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
            f'height="{HEIGHT - TOP - BOTTOM}"/>'
        ]
        for value, name in ticks_x:
            self._text(self._across(value), HEIGHT - BOTTOM + 16, name, "middle", "vip-tick")
        for value, name in ticks_y:
            self._text(LEFT - 6, self._up(value) + 4, name, "end", "vip-tick")
        self._text(middle_x, HEIGHT - 10, across, "middle")
        self._parts.append(
            f'<text transform="translate(13 {middle_y:.1f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
        )

    def line(self, points: Points, kind: str) -> None:
        """A line through points. kind: a class of the style sheet, such as "vip-s0"."""
        path = " ".join(f"{self._across(x):.1f},{self._up(y):.1f}" for x, y in points)
        self._parts.append(f'<polyline class="vip-curve {kind}" points="{path}"/>')

    def dot(self, x: float, y: float, kind: str) -> None:
        """A dot."""
        self._parts.append(f'<circle class="{kind}" cx="{self._across(x):.1f}" cy="{self._up(y):.1f}" r="5"/>')

    def bar(self, left: float, right: float, low: float, high: float, kind: str) -> None:
        """A filled box between two values of each axis."""
        x, y = self._across(left), self._up(high)
        width, height = self._across(right) - x, self._up(low) - y
        self._parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"/>'
        )

    def name(self, text: str, kind: str, at: str = "start") -> None:
        """A line of the legend, in the colour of what it names: at the "start" of the upper line, or at the "end"."""
        x = LEFT + 8 if at == "start" else WIDTH - RIGHT - 8
        self._legend += 1
        self._text(x, TOP + 2 + 16 * self._legend, text, at, f"vip-name {kind}")

    def skip_names(self, lines: int) -> None:
        """Move the legend down, past a curve."""
        self._legend += lines

    def svg(self, words: str) -> str:
        """The plot. words: what it shows, for those who do not see it."""
        return (
            f'<svg class="vip-plot" role="img" aria-label="{escape(words)}" width="{WIDTH:.0f}" height="{HEIGHT:.0f}" '
            f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}">{"".join(self._parts)}</svg>'
        )

    def _across(self, value: float) -> float:
        low, high = self.x
        return LEFT + (WIDTH - LEFT - RIGHT) * (min(max(value, low), high) - low) / (high - low)

    def _up(self, value: float) -> float:
        low, high = self.y
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (min(max(value, low), high) - low) / (high - low)

    def _text(self, x: float, y: float, text: str, anchor: str, kind: str = "") -> None:
        self._parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
