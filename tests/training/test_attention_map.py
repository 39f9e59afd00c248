import subprocess
import sys
import time
import warnings

import pytest
import torch
from PIL import Image

from seq2seq_lab.training import attention_map as module
from seq2seq_lab.training.attention_map import (
    choose_fonts,
    draw_attention,
    label,
    label_title,
    language_of,
)


def draw(folder, source, target, title="", weights=None):
    weights = torch.rand(len(target), len(source)) if weights is None else weights
    draw_attention(folder / "map.png", weights.numpy(), source, target, title=title)
    with Image.open(folder / "map.png") as picture:
        return picture.convert("RGB")


TEXTS = {
    "Chinese": "二万一千三百零五",
    "Japanese": "日本語のテキスト",
    "Korean": "한국어 문장",
    "German": "Größe über Straße",
    "Arabic": "الكتاب على الطاولة",
    "Hebrew": "שלום עולם",
    "Russian": "привет мир",
    "Thai": "สวัสดี",
    "Hindi": "नमस्ते",
}


@pytest.mark.parametrize("language", TEXTS)
def test_every_glyph_is_found_without_a_warning(tmp_path, language):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(tmp_path, ["a", "b"], TEXTS[language].split(), TEXTS[language])


@pytest.mark.parametrize("encoding", ["gb2312", "shift_jis", "euc_kr"])
def test_the_shipped_font_covers_all_letters_of_the_national_standards(encoding):
    letters = [
        bytes([high, low]).decode(encoding, "ignore")
        for high in range(0x81, 0xFE)
        for low in range(0x40, 0xFE)
    ]
    needed = {
        ord(c)
        for c in letters
        if len(c) == 1 and ("一" <= c <= "鿿" or "ぁ" <= c <= "ヺ" or "가" <= c <= "힣")
    }
    has = dict(module._font_families())["Noto Sans CJK JP"]
    assert len(needed) > 2000
    assert needed <= has


def test_a_plain_text_needs_no_extra_font():
    assert choose_fonts(["plain", "über"]) == ["DejaVu Sans"]


def test_without_any_font_for_a_script_it_draws_and_warns_once(tmp_path, monkeypatch):
    only_latin = (("DejaVu Sans", frozenset(range(32, 127))),)
    monkeypatch.setattr(module, "_font_families", lambda: only_latin)
    monkeypatch.setattr(module, "_other_fonts", list)
    module._warn_once.cache_clear()
    with pytest.warns(UserWarning, match=r"no font has .*pip install 'seq2seq-lab\[fonts\]'"):
        draw(tmp_path, ["a"], ["二"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(tmp_path, ["a"], ["二"])


def test_any_font_of_the_system_that_has_the_characters_is_found(monkeypatch):
    known = dict(module._font_families())
    assert "Noto Sans CJK JP" in known  # of the extra: stands for a font of the system
    monkeypatch.setattr(module, "_font_families", lambda: (("DejaVu Sans", known["DejaVu Sans"]),))
    chosen = choose_fonts(["a", "二"])
    assert chosen[0] == "DejaVu Sans"
    assert any(ord("二") in known.get(family, ()) for family in chosen[1:])


def test_cells_are_square(tmp_path):
    """The dark cell (0, 0) of a 3 x 7 map is as wide as it is high."""
    weights = torch.zeros(3, 7)
    weights[0, 0] = 1.0
    picture = draw(tmp_path, list("abcdefg"), list("xyz"), weights=weights)
    half = picture.crop((0, 0, picture.width * 3 // 4, picture.height))  # without the colour bar
    dark = [
        (x, y)
        for x in range(half.width)
        for y in range(half.height)
        if half.getpixel((x, y)) == (8, 48, 107)
    ]
    width = max(x for x, _ in dark) - min(x for x, _ in dark)
    height = max(y for _, y in dark) - min(y for _, y in dark)
    assert width > 20
    assert abs(width - height) <= 1


def test_a_heavy_weight_is_drawn_in_its_row_and_column(tmp_path):
    """Planted bug: the transposed matrix puts the dark cell elsewhere."""

    def centre(weights):
        picture = draw(tmp_path, list("abcde"), list("vwxyz"), weights=weights)
        left = picture.crop((0, 0, picture.width * 3 // 4, picture.height))
        dark = [
            (x, y)
            for x in range(left.width)
            for y in range(left.height)
            if left.getpixel((x, y)) == (8, 48, 107)
        ]
        return sum(x for x, _ in dark) / len(dark), sum(y for _, y in dark) / len(dark)

    weights = torch.zeros(5, 5)
    weights[3, 1] = 1.0
    (x, y), (transposed_x, transposed_y) = centre(weights), centre(weights.T.contiguous())
    assert x < transposed_x
    assert y > transposed_y


@pytest.mark.parametrize(("target", "source"), [(0, 0), (0, 3), (3, 0), (1, 1), (1, 23), (23, 1)])
def test_odd_sizes_are_drawn(tmp_path, target, source):
    assert draw(tmp_path, ["s"] * source, ["t"] * target, "title").width > 50


def test_weights_that_do_not_fit_the_tokens_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must be"):
        draw_attention(
            tmp_path / "x.png", torch.rand(2, 3).numpy(), ["a", "b"], ["c", "d", "e"], title=""
        )


def test_mathematics_and_control_characters_are_plain_text(tmp_path):
    draw(tmp_path, ["$x_1$", "$", "\t", "\x1b[31m", "^{"], ["\\frac", "%", "_"], "$a$ \n $")
    assert label("a\tb\x1b") == "a�b�"
    assert label(" ") == "␣"


def test_long_tokens_are_cut():
    assert label("x" * 100) == "x" * 23 + "…"


def test_a_long_title_takes_three_lines_at_most():
    lines = label_title("word " * 200, 10).split("\n")
    assert len(lines) == 3
    assert lines[-1].endswith("…")


@pytest.mark.parametrize(
    ("text", "language"),
    [("直骨", "zh-Hans"), ("直骨の", "ja"), ("한국", "ko"), ("plain", None), ("", None)],
)
def test_han_shapes_follow_the_script(text, language):
    assert language_of([text]) == language


def test_a_long_sentence_is_drawn_in_less_than_a_second(tmp_path):
    tokens = list(
        "今天天气很好我们一起去公园散步吧因为明天可能会下雨所以今天最好出去走走看看风景呢"
    )[:40]
    draw(tmp_path, tokens, tokens)  # fonts
    begin = time.process_time()
    draw(tmp_path, tokens, tokens)
    assert time.process_time() - begin < 1.0


def test_neither_pyplot_with_its_global_state_nor_torch_is_used():
    code = (
        "import sys, numpy, pathlib, tempfile\n"
        "from seq2seq_lab.training.attention_map import draw_attention\n"
        "assert 'matplotlib' not in sys.modules\n"
        "path = pathlib.Path(tempfile.mkdtemp()) / 'x.png'\n"
        "draw_attention(path, numpy.eye(2), ['a', 'b'], ['c', 'd'], title='')\n"
        "print([name in sys.modules for name in ('matplotlib.pyplot', 'manimgx_fonts', 'torch')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[False, False, False]", "")
