"""The differences of two runs as people read them: colours on a terminal, plain marks elsewhere."""

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from seq2seq_lab.errors import one_line
from seq2seq_lab.report.run_diff import Change, Number, Side, is_main
from seq2seq_lab.report.run_diff_sentences import Sentences
from seq2seq_lab.report.run_query import text_of
from seq2seq_lab.report.sentence_diff import SentenceChange, Word

_SHOWN_BELOW = 6
_HASH = re.compile(r"[0-9a-f]{40,64}")
_LONGEST = 60
_LONGEST_SENTENCE = 2_000


class Printer:
    """Prints the parts of a comparison; `is_whole` shows all numbers and keys."""

    def __init__(self, console: Console, *, is_whole: bool) -> None:
        self.console, self.is_whole = console, is_whole
        self.has_colours = console.is_terminal and not console.no_color

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Print one line of pieces, each a text or (text, style)."""
        text = Text.assemble(*parts)
        text.rstrip()
        self.console.print(text, soft_wrap=True, highlight=False)

    def title(self, text: str, detail: str = "") -> None:
        """Print the head of a part."""
        self.line("")
        self.line((text, "bold"), f": {detail}" if detail else "")

    def sides(self, old: Side, new: Side) -> None:
        """Print which two runs are compared."""
        for name, side in (("old", old), ("new", new)):
            run = side.run
            facts = [run.state, str(run.manifest.get("started", "")), *run.model_and_data]
            facts.append(f"seed {text_of(run.manifest.get('seed'))}")
            self.line((f"{name}  ", "bold"), one_line(run.folder))
            self.line(f"     {one_line('  '.join(filter(None, facts)))}")

    def changes(self, title: str, found: Sequence[Change]) -> None:
        """Print keys with the value of both runs, and what follows from them below."""
        self.title(title, "" if found else "no difference")
        for one in found:
            self._change(one, "  ")
            shown = one.below if self.is_whole else one.below[:_SHOWN_BELOW]
            for inner in shown:
                self._change(inner, "      ")
            if len(shown) < len(one.below):
                self.line(f"      and {len(one.below) - len(shown)} more (--all)")

    def _change(self, one: Change, indent: str) -> None:
        old, new = _short(one.old), _short(one.new)
        self.line(f"{indent}{one_line(one.key)}: ", (old, "red"), " -> ", (new, "green"))

    def numbers(self, found: Sequence[Number], other_data: Sequence[str]) -> None:
        """Print the numbers side by side, with their difference; `other_data` are splits that cannot be compared."""
        shown = [one for one in found if self.is_whole or is_main(one.name)]
        has_interval = any(one.interval for one in shown)
        details = []
        if has_interval:
            details.append(
                "difference with 95 % interval and p, by paired bootstrap over the test sentences"
            )
        if other_data:
            details.append(f"other pairs in {' and '.join(other_data)}: these are not judged")
        self.title("Numbers", "; ".join(details))
        rows = [_number_row(one) for one in shown]
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)] if rows else []
        for one, row in zip(shown, rows, strict=True):
            name, *cells = row
            padded = [cell.rjust(width) for cell, width in zip(cells[:3], widths[1:4], strict=True)]
            verdict = cells[4].ljust(widths[5])
            style = {True: "green", False: "red", None: ""}[one.is_better]
            line = f"  {name.ljust(widths[0])}  {'  '.join(padded)}  "
            self.line(line, (verdict, style), f"  {cells[3]}")
        if len(shown) < len(found):
            self.line(f"  and {len(found) - len(shown)} more (--all)")

    def sentences(self, found: Sentences | str) -> None:
        """Print the sentences that gained and lost most, or why there are none."""
        if isinstance(found, str):
            self.title("Sentences", one_line(found))
            return
        same = found.total - found.better - found.worse
        self.title(
            "Sentences",
            f"chrF is better in {found.better}, worse in {found.worse}, equal in {same} of {found.total}; "
            f"{found.unlike} translations differ",
        )
        if found.gained or found.lost:
            mark = "underlined" if self.has_colours else "between {+ and +}"
            self.line(f"  {mark}: what the reference does not have")
        for title, changes in (("gained most", found.gained), ("lost most", found.lost)):
            for one in changes:
                self._sentence(title, one)

    def _sentence(self, title: str, one: SentenceChange) -> None:
        self.line("")
        self.line((f"  {title}: chrF {one.gain:+.1f}", "bold"))
        self.line(f"    source     {_sentence_text(one.source)}")
        self.line(f"    reference  {_sentence_text(one.reference)}")
        self.line("    old        ", *self._marked(one.baseline))
        self.line("    new        ", *self._marked(one.arm))

    def _marked(self, words: Sequence[Word]) -> list[str | tuple[str, str]]:
        found: list[str | tuple[str, str]] = []
        for word in words:
            text = _sentence_text(word.text)
            glue = " " * (word.text.endswith(" ") and not text.endswith(" "))
            if self.has_colours:
                found += [(text, "green" if word.is_right else "red underline"), glue]
            else:
                found.append((text if word.is_right else f"{{+{text}+}}") + glue)
        return found


def _short(value: object) -> str:
    text = one_line(text_of(value))
    if _HASH.fullmatch(text):
        return text[:12]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _sentence_text(text: str) -> str:
    return one_line(text[:_LONGEST_SENTENCE]) + "..." * (len(text) > _LONGEST_SENTENCE)


def _number_row(one: Number) -> tuple[str, str, str, str, str, str]:
    """Return name, both numbers, difference, interval with p, and whether it is better."""
    difference = "-"
    if one.old is not None and one.new is not None:
        difference = _shown(one.new - one.old, sign="+")
    interval = ""
    if one.interval is not None:
        interval = f"[{one.interval[0]:+.2f}, {one.interval[1]:+.2f}]  p = {one.p:.3f}"
    verdict = {True: "better", False: "worse", None: ""}[one.is_better]
    cells = [_shown(one.old), _shown(one.new), difference, interval, verdict]
    return (one_line(one.name), *cells)  # type: ignore[return-value]


def _shown(value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    is_count = value.is_integer() and abs(value) >= 100
    return f"{value:{sign},.0f}" if is_count else f"{value:{sign},.2f}"
