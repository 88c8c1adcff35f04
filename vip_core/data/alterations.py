"""Images altered as by careless handling: rotated, inverted, half covered, or within a screenshot."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

WINDOW = (1280, 800)  # pixels, width and height of a screenshot
MENU = "File   Edit   View   Image   Window   Help"
LINES = ("Name", "Date", "Series 1 of 2", "Zoom 100 %", "Patient list", "Report", "Measure", "Export", "Settings")


def altered(image: Image.Image, name: str, rng: np.random.Generator) -> Image.Image:
    """An RGB image under one of ALTERATIONS, by name; what is random in it is drawn from `rng`."""
    return _ALTER[name](image, rng)


def _upside_down(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.transpose(rng.choice([Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM]))


def _sideways(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.transpose(rng.choice([Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270]))


def _inverted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.invert(image)


def _half_black(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Between two and three fifths of the image are black, from one of its sides."""
    share, side = rng.uniform(0.4, 0.6), rng.integers(4)
    width, height = image.size
    across, down = round(share * width), round(share * height)
    box = (
        (0, 0, across, height),
        (width - across, 0, width, height),
        (0, 0, width, down),
        (0, height - down, *image.size),
    )
    covered = image.copy()
    covered.paste(0, box[side])
    return covered


def _screenshot(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image in the window of a program with a menu and a list beside it."""
    dark = rng.random() < 0.5
    page, ink = ((38, 40, 44), (220, 220, 220)) if dark else ((240, 240, 240), (30, 30, 30))
    screen = Image.new("RGB", WINDOW, page)
    draw, font = ImageDraw.Draw(screen), ImageFont.load_default(18)
    draw.text((16, 10), MENU, ink, font)
    left, top = int(rng.integers(180, 360)), int(rng.integers(50, 110))
    for number, text in enumerate(LINES):
        draw.text((16, top + 44 * number), text, ink, font)
    room = (WINDOW[0] - left - int(rng.integers(10, 120)), WINDOW[1] - top - int(rng.integers(10, 80)))
    screen.paste(ImageOps.contain(image, room), (left, top))
    return screen


def _from_afar(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image small in the middle of its own surroundings, as a photograph shows what a close view magnifies."""
    width, height = image.size
    share = rng.uniform(0.2, 0.45)
    inner = image.resize((max(1, round(share * width)), max(1, round(share * height))), Image.Resampling.LANCZOS)
    edge = np.asarray(image.resize((16, 16), Image.Resampling.BOX))
    rim = np.concatenate([edge[0], edge[-1], edge[:, 0], edge[:, -1]])  # (64, 3)
    colour = np.median(rim, axis=0)
    shade = rng.normal(0, 6, (8, 8, 1)) + colour  # skin is uneven
    outer = Image.fromarray(shade.clip(0, 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    mask = Image.new("L", inner.size, 0)
    ImageDraw.Draw(mask).ellipse((0, 0, inner.width - 1, inner.height - 1), fill=255)
    place = (
        round(rng.uniform(0.2, 0.8) * (width - inner.width)),
        round(rng.uniform(0.2, 0.8) * (height - inner.height)),
    )
    outer.paste(inner, place, mask)
    return outer


_ALTER: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "upside-down": _upside_down,
    "sideways": _sideways,
    "inverted": _inverted,
    "half-black": _half_black,
    "screenshot": _screenshot,
    "from-afar": _from_afar,
}
LOOKS_LIKE: dict[str, str] = {
    "upside-down": "an image turned upside down",
    "sideways": "an image turned on its side",
    "inverted": "a negative",
    "half-black": "an image half of which is covered",
    "screenshot": "a screenshot",
    "from-afar": "a photograph taken from afar",
}
