"""One symptom's map over an image: as a transparent picture, in words, and what its colours mean."""

import base64
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from vip_core.scoring import evidence
from vip_core.scoring.diagnosis import SymptomScore

from .numbers import number

WHAT_IT_IS_NOT = (
    "It shows which parts of the image this model’s similarity comes from, in no more than {cells} cells, drawn "
    "smoothly; it does not outline a lesion and does not prove a cause. The picture below the map is grey, so that its "
    "own colours cannot be mistaken for the map’s."
)
ADDS_UP = (
    "Each cell gives its part of the similarity, and the parts add up to it. Full orange: a cell adds {end} or more; "
    "full blue: it takes as much away; clear: nothing."
)
ADDS_UP_TO_NOTHING = (
    "With this backbone the map is a heuristic, the last layer’s value path: its cells do not sum to the similarity, "
    "and their colours compare places within one image only. Full orange: {end} more similar than the average cell; "
    "full blue: as much less."
)
CROPPED = " This backbone reads only the middle of the picture, where the map is drawn."
SEEN = {"squash": "the picture", "shortest": "the part that is read", "longest": "the picture with its margins"}
POSITIVE, NEGATIVE = (230, 97, 1), (0, 84, 200)  # orange and blue: fit for the colour-blind, and on skin as on grey
FULL = 1.5  # times an even spread of the axis's end over the cells: where the colours are full, for every image alike
FINE = 16  # pixels of the map per cell; the browser does the rest
NEAR_ZERO = 0.05  # similarities of which a share says nothing


def seen_map(
    cells: Tensor, text: Tensor, axis: tuple[float, float] | None, score: SymptomScore, resize_mode: str = "squash"
) -> tuple[str, str, str]:
    """The map of one symptom as an image for the page, its caption, and the legend.

    Args:
        cells: (h, w, D).
        text: (D,).
        axis: of similarities, from which the scale of the colours follows; None where the cells add up to nothing.
        score: of the symptom in this image.
        resize_mode: how the backbone fits an image, which decides what of the picture the map lies upon.
    """
    exact = axis is not None
    terms = (evidence.evidence if exact else evidence.contrast)(cells, text[None])[0].cpu()  # (h, w)
    height, width = terms.shape
    end = FULL * max(map(abs, axis)) / terms.numel() if exact else terms.abs().max().item() or 1.0
    strongest = int(terms.abs().argmax()) if exact else int(terms.argmax())
    value, where = terms.flatten()[strongest].item(), place(*divmod(strongest, width), height, width, SEEN[resize_mode])
    alt = f"Map of “{score.symptom}”: the strongest cell is at the {where}."
    similarity = score.similarity
    parts = [f"Similarity {number(similarity)}."]
    if exact:
        share = abs(similarity) >= NEAR_ZERO
        of_it = f" ({abs(100 * value / similarity):.0f} % of it)" if share else ""
        parts.append(f"The strongest cell, at the {where}, {'adds' if value > 0 else 'takes'} {abs(value):.3f}{of_it}.")
        if share:
            parts.append(f"Full colour is {100 * end / abs(similarity):.0f} % of the similarity.")
    else:
        parts.append(f"The most similar cell is at the {where}.")
    image = f'<img class="vip-where-map vip-where-{resize_mode}" alt="{escape(alt)}" src="{heat_url(terms, end)}">'
    name = f"<b>{escape(score.symptom)}</b> ({escape(score.class_name)})"
    return image, f"<p>{name}. {' '.join(parts)}</p>", legend_html(end, exact, f"{height} × {width}", resize_mode)


def heat_url(terms: Tensor, end: float) -> str:
    """The map (h, w) as a transparent PNG within a data URL; colours are full at ±`end`, and zero is clear."""
    fine = F.interpolate(terms[None, None], scale_factor=FINE, mode="bilinear")[0, 0]
    levels = np.rint((fine.clamp(-end, end) / end * 127).numpy() + 127).astype(np.uint8)  # 127 is zero
    image = Image.frombytes("P", levels.shape[::-1], levels.tobytes())
    image.putpalette([tone for level in range(255) for tone in (POSITIVE if level > 127 else NEGATIVE)])
    buffer = BytesIO()
    alpha = bytes(round(abs(level - 127) / 127 * 255) for level in range(255))
    image.save(buffer, format="PNG", transparency=alpha)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def legend_html(end: float, exact: bool, cells: str, resize_mode: str = "squash") -> str:
    """What the colours mean, in numbers, and what the map is not."""
    ends = number(end, 3)
    words = (ADDS_UP if exact else ADDS_UP_TO_NOTHING).format(end=ends)
    return (
        '<div class="vip-where-key"><div class="vip-where-ramp" aria-hidden="true"></div>'
        f'<div class="vip-where-ends"><span>−{ends}</span><span>0</span><span>+{ends}</span></div>'
        f"<p>{words} {WHAT_IT_IS_NOT.format(cells=cells)}{CROPPED if resize_mode == 'shortest' else ''}</p></div>"
    )


def place(row: int, column: int, height: int, width: int, of: str = "the picture") -> str:
    """A cell's place in words, as one sees the picture."""
    rows, columns = ("upper", "middle", "lower"), ("left", "centre", "right")
    words = f"{rows[3 * row // height]} {columns[3 * column // width]} of {of}"
    return words.replace("middle centre", "centre")
