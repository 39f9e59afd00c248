"""Heat maps of attention weights as PNG files, with labels in any script.

Fonts are tried in this order: DejaVu Sans (comes with matplotlib), known CJK fonts of the system, the packages of the
extra `fonts`, and any other font of the system that has the characters. Nothing here needs torch: the processes of
loggers draw too.
"""

import functools
import unicodedata
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from seq2seq_lab.extras import install_line
from seq2seq_lab.files import write_atomically

FONT_PACKAGES = ("noto-cjk-sans-jp-regular", "manimgx-fonts")
"""PyPI distributions that carry font files (SIL Open Font License): all of CJK; Thai, Devanagari and 20 others."""

_SYSTEM_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC",
    "Noto Sans CJK JP", "WenQuanYi Micro Hei",
)  # fmt: skip
_CELL, _FONT_SIZE = 0.24, 9.0
"""Side of a cell in inches, and the size of the labels in points."""
_LONGEST_LABEL = 24
_DPI = 130


@functools.cache
def _font_families() -> tuple[tuple[str, frozenset[int]], ...]:
    """Return (family, code points) of every font that may be used, best first. Loaded once: 0.1 s."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    known = {font.name for font in manager.ttflist}
    families = ["DejaVu Sans", *(name for name in _SYSTEM_FONTS if name in known)]
    for file in map(str, _packaged_fonts()):
        manager.addfont(file)
        families.append(font_manager.get_font(file).family_name)
    paths = {name: font_manager.findfont(name, fallback_to_default=False) for name in families}
    return tuple((name, _characters(path)) for name, path in paths.items())


@functools.cache
def _characters(path: str) -> frozenset[int]:
    """Return the code points of a font file."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(path).get_charmap())


def _other_fonts() -> list[tuple[str, str]]:
    """Return (family, file) of the upright fonts of the system, in an order that does not depend on the disk."""
    from matplotlib import font_manager

    upright = [font for font in font_manager.fontManager.ttflist if font.style == "normal"]
    # a font of last resort has a box for every character
    return sorted({(f.name, f.fname) for f in upright if "last resort" not in f.name.lower()})


def _packaged_fonts() -> list[Path]:
    """Return the font files of `FONT_PACKAGES` by their list of files; nothing of them is imported."""
    files = []
    for package in FONT_PACKAGES:
        try:
            listed = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue
        named = [
            file for file in listed if file.suffix in (".otf", ".ttf") and "Italic" not in file.name
        ]
        files += [Path(str(file.locate())) for file in sorted(named, key=str)]
    return [file for file in files if file.is_file()]


@functools.cache
def _warn_once(missing: str) -> None:
    warnings.warn(
        f"no font has {missing!r}: shown as a box in attention pictures; install a font for that script, or "
        f"{install_line('fonts')}",
        stacklevel=2,
    )


def choose_fonts(texts: Sequence[str]) -> list[str]:
    """Return the font families that the texts need, in matplotlib's fall-back order."""
    needed = {ord(c) for text in texts for c in text if not c.isspace() and c.isprintable()}
    chosen: list[str] = []
    for family, has in _font_families():
        if not chosen or needed & has:
            chosen.append(family)
            needed -= has
    for family, path in _other_fonts() if needed else ():
        if needed & _characters(path):
            chosen.append(family)
            needed -= _characters(path)
    if needed:
        _warn_once("".join(map(chr, sorted(needed)[:3])))
    return chosen


def label(token: str) -> str:
    """Return a token as a label: control characters and blanks made visible, long tokens cut."""
    shown = "".join(
        "␣" if c == " " else c if c.isprintable() or unicodedata.category(c) == "Cf" else "�"
        for c in token
    )
    return shown if len(shown) <= _LONGEST_LABEL else shown[: _LONGEST_LABEL - 1] + "…"


def language_of(texts: Sequence[str]) -> str | None:
    """Return the language whose Han shapes to draw: kana means Japanese, Hangul Korean, other Han Chinese."""
    letters = {unicodedata.name(c, "").split(" ")[0] for text in texts for c in text}
    for script, language in (
        ("HIRAGANA", "ja"),
        ("KATAKANA", "ja"),
        ("HANGUL", "ko"),
        ("CJK", "zh-Hans"),
    ):
        if script in letters:
            return language
    return None


def draw_attention(
    path: Path,
    weights: Float[np.ndarray, "target source"],
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    *,
    title: str,
) -> None:
    """Write a PNG atomically: one row per target token, one column per source token, darker = more weight (0 to 1).

    An empty matrix gives a picture that says so. Raises `ValueError` when tokens and weights do not match.
    """
    if tuple(weights.shape) != (len(target_tokens), len(source_tokens)):
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} for {len(target_tokens)} target and "
            f"{len(source_tokens)} source tokens: must be (target, source)"
        )
    columns, rows = [label(t) for t in source_tokens], [label(t) for t in target_tokens]
    head = label_title(title, len(columns))
    style = {"fontfamily": choose_fonts([*columns, *rows, head, "…"]), "parse_math": False}
    figure, axes = _empty_figure(len(columns), len(rows))
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from font"
        )  # choose_fonts warns once
        if weights.size:
            _draw_cells(figure, axes, weights)
            _draw_labels(axes, columns, rows, style)
        else:
            axes.axis("off")
            axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", color="0.4")
        text = axes.set_title(head, fontsize=_FONT_SIZE + 2, pad=10, loc="left", **style)
        _set_language(text, head)
        # the outline by hand: `bbox_inches="tight"` would lay out everything once more
        outline = figure.get_tightbbox(figure.canvas.get_renderer()).padded(0.15)
        write_atomically(
            path, lambda p: figure.savefig(p, format="png", dpi=_DPI, bbox_inches=outline)
        )


def label_title(title: str, num_columns: int) -> str:
    """Return the title on one or more lines as wide as the picture, three at most."""
    text = "".join(c if c.isprintable() else " " for c in title).strip()
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text) > len(text) / 2
    width = max(40, int(num_columns * _CELL * 11)) // (2 if wide else 1)
    lines, line = [], ""
    for word in list(text) if wide else [w + " " for w in text.split()]:
        if line and len(line) + len(word) > width:
            lines.append(line.rstrip())
            line = ""
        line += word
    lines.append(line.rstrip())
    return "\n".join(lines[:3]) + ("…" if len(lines) > 3 else "")


def _empty_figure(num_columns: int, num_rows: int) -> tuple[Any, Any]:
    """Return a figure whose axes are exactly as large as their square cells. No pyplot, no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cell = _CELL if max(num_columns, num_rows) > 12 else 1.4 * _CELL
    width, height = max(num_columns, 2) * cell, max(num_rows, 2) * cell
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure, figure.add_axes((0, 0, 1, 1))


def _draw_cells(figure: Any, axes: Any, weights: Float[np.ndarray, "target source"]) -> None:
    """Draw the matrix, fine lines between the cells, and the colour bar beside it."""
    rows, columns = weights.shape
    image = axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
    # line collections: minor ticks would take half of the time
    axes.vlines([x - 0.5 for x in range(1, columns)], -0.5, rows - 0.5, color="0.88", linewidth=0.5)
    axes.hlines([y - 0.5 for y in range(1, rows)], -0.5, columns - 0.5, color="0.88", linewidth=0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_color("0.6")
    width, height = figure.get_size_inches()
    bar_height = max(1.2, min(height, 3.0)) / height
    place = (1 + 0.15 / width, (1 - bar_height) / 2, 0.11 / width, bar_height)
    bar = figure.colorbar(image, cax=figure.add_axes(place), ticks=[0.0, 0.5, 1.0])
    bar.ax.tick_params(labelsize=_FONT_SIZE - 2, length=2, color="0.6")
    bar.outline.set_edgecolor("0.6")


def _draw_labels(axes: Any, columns: list[str], rows: list[str], style: dict[str, Any]) -> None:
    """Write source tokens below (rotated unless all are short) and target tokens at the left."""
    is_rotated = max(map(_width, columns)) > 2
    style_x = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if is_rotated else {}
    axes.set_xticks(range(len(columns)), columns, fontsize=_FONT_SIZE, **style_x, **style)
    axes.set_yticks(range(len(rows)), rows, fontsize=_FONT_SIZE, **style)
    for text in axes.get_xticklabels():
        _set_language(text, " ".join(columns))
    for text in axes.get_yticklabels():
        _set_language(text, " ".join(rows))


def _width(text: str) -> int:
    """Return the width of a text in columns of a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _set_language(text: Any, sample: str) -> None:
    """Choose the Han shapes of the language (matplotlib >= 3.11; older ones draw the font's default)."""
    language = language_of([sample])
    if language is not None and hasattr(text, "set_language"):
        text.set_language(language)
