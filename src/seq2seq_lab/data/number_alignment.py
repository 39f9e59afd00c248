"""The gold alignment of spelled-out numbers, derived from the rules of both languages, whatever they are.

What says a digit is found by changing it: `seven hundred five` and `nine hundred five` differ in the first word,
七百零五 and 九百零五 in the first character, so these two are linked. A digit is changed to three others, and the words
that differ each time are what says it. A word can say two digits (`twelve`), and a digit nothing of
its own (the 1 of 十二, which is only the ten's sign): then it has no sure link. Words that say no digit, such as
`hundred` and 百, have possible links with their whole number.
"""

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from seq2seq_lab.data.alignment import Alignment, Link, Span, word_spans

Spell = Callable[[int], str]
_OTHERS = (3, 6, 9, 4)
"""What a digit is changed to: not 1, which has no word of its own in many places, nor 0."""


def units(text: str) -> list[Span]:
    """Return the words of a text between spaces; of a script without spaces every character."""
    words = word_spans(text)
    if len(words) == 1 and not text.isascii() and _is_ideographic(text):
        return [(i, i + 1) for i in range(len(text))]
    return words


def _is_ideographic(text: str) -> bool:
    return all("\u3000" <= character <= "\u9fff" for character in text)


@lru_cache(maxsize=65536)
def digit_spans(number: int, spell: Spell) -> tuple[frozenset[Span], ...]:
    """Return for each digit, the last one first, the spans of the spelled number that say it."""
    text = spell(number)
    own, found = units(text), []
    words = [text[slice(*span)] for span in own]
    for place, digit in enumerate(reversed(str(number))):
        changed = set(range(len(words)))
        others = [d for d in _OTHERS if d != int(digit)][:3]
        for other in others if digit != "0" else []:
            variant = spell(number + (other - int(digit)) * 10**place)
            names = [variant[slice(*span)] for span in units(variant)]
            matcher = SequenceMatcher(None, words, names, autojunk=False)
            changed &= {
                i for tag, a, b, *_ in matcher.get_opcodes() if tag != "equal" for i in range(a, b)
            }
        found.append(frozenset(own[i] for i in changed) if digit != "0" else frozenset())
    return tuple(found)


def list_alignment(
    numbers: Sequence[int], spell: tuple[Spell, ...], commas: tuple[str, str]
) -> Alignment:
    """Return the alignment of a list of numbers that is joined by each language's comma."""
    sure: list[Link] = []
    possible: list[Link] = []
    start = [0, 0]
    for number in numbers:
        texts = [one(number) for one in spell]
        ends = [at + len(text) for at, text in zip(start, texts, strict=True)]
        possible.append(((start[0], ends[0]), (start[1], ends[1])))
        for source, target in zip(*(digit_spans(number, one) for one in spell), strict=True):
            sure += [
                (_moved(left, start[0]), _moved(right, start[1]))
                for left in sorted(source)
                for right in sorted(target)
            ]
        if len(possible) < len(numbers):
            after = [end + len(text) for end, text in zip(ends, commas, strict=True)]
            sure.append(((ends[0], after[0]), (ends[1], after[1])))
            ends = after
        start = ends
    return Alignment(tuple(sure), tuple(possible))


def _moved(span: Span, by: int) -> Span:
    return span[0] + by, span[1] + by
