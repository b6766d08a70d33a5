"""An episode as a picture: the slate with what was wanted, seen and taken, and how content the user is."""

from functools import cache
from importlib.resources import files
from textwrap import wrap

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from personagym_env.render import EpisodeView, PlaceView

Image_ = npt.NDArray[np.uint8]

WIDTH = 800
_MULTIPLE = 16
"""Of the height and the width in pixels, as encoders of videos want it."""
_SIZE, _LINE, _MARGIN = 14, 26, 16
"""Pixels of the letters, from line to line, and around everything."""
_HEADER_LINES, _LETTERS = 3, 104
"""Lines about the user, and letters of each."""
_BAR, _NOTE = 470, 610
"""Columns at which the bars of wants and the notes begin."""
_PAPER, _INK, _FAINT, _TAKEN, _WANTED, _CONTENT = "#ffffff", "#1f2430", "#9aa1ad", "#dcf3e0", "#5b8def", "#3aa655"


def draw(view: EpisodeView) -> Image_:
    """(height, width, 3) the picture; the height depends on the size of the slate alone."""
    lines = _HEADER_LINES + view.slate_size + 3
    height = -(-(2 * _MARGIN + lines * _LINE) // _MULTIPLE) * _MULTIPLE
    image = Image.new("RGB", (WIDTH, height), _PAPER)
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(wrap(view.user, _LETTERS)[:_HEADER_LINES]):
        _write(pen, _MARGIN, number, line)
    for number, place in enumerate(view.places):
        _draw_place(pen, _HEADER_LINES + number, number + 1, place)
    _write(pen, _MARGIN, lines - 2, "satisfaction")
    _draw_bar(pen, lines - 2, 120, 400, view.satisfaction, _CONTENT)
    _write(pen, _MARGIN, lines - 1, view.result)
    return np.array(image)


def _draw_place(pen: ImageDraw.ImageDraw, line: int, number: int, place: PlaceView) -> None:
    if place.taken:
        top = _MARGIN + line * _LINE
        pen.rectangle((_MARGIN - 6, top - 4, WIDTH - _MARGIN, top + _LINE - 6), fill=_TAKEN)
    ink = _FAINT if place.choice_probability is None else _INK
    _write(pen, _MARGIN, line, f"{number:>2}. {place.title}", ink)
    if place.choice_probability is not None:
        _draw_bar(pen, line, _BAR, 80, place.choice_probability, _WANTED)
    _write(pen, _NOTE, line, place.note, _INK if place.taken else _FAINT)


def _draw_bar(pen: ImageDraw.ImageDraw, line: int, left: int, width: int, level: float, colour: str) -> None:
    """A bar that is filled from the left, and its level in percent."""
    top = _MARGIN + line * _LINE + 2
    pen.rectangle((left, top, left + round(width * level), top + _SIZE), fill=colour)
    pen.rectangle((left, top, left + width, top + _SIZE), outline=_FAINT)
    _write(pen, left + width + 8, line, f"{level:.0%}")


def _write(pen: ImageDraw.ImageDraw, left: int, line: int, text: str, colour: str = _INK) -> None:
    pen.text((left, _MARGIN + line * _LINE), text, fill=colour, font=_font())


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows stars, Greek and Cyrillic."""
    return ImageFont.truetype(str(files("matplotlib") / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"), _SIZE)
