"""The names corpus: short sentences, in English and German, about people and towns whose names are made of syllables.

What the copy mechanism is for: a name is written alike in both languages, stands elsewhere in the German sentence, and
may be one that no training sentence has. All other words are few and frequent.
"""

from collections.abc import Iterator

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.drawing import Dice, check_sizes, fill_splits

DAYS = (
    *(("monday", "montag"), ("tuesday", "dienstag"), ("wednesday", "mittwoch")),
    *(("thursday", "donnerstag"), ("friday", "freitag"), ("saturday", "samstag")),
)
MONTHS = (
    *(("january", "januar"), ("march", "märz"), ("may", "mai"), ("june", "juni")),
    *(("july", "juli"), ("october", "oktober"), ("december", "dezember")),
)
SENTENCES = (
    ("{a} lives in {b}", "in {b} wohnt {a}"),
    ("on {day} {a} called {b}", "{a} rief am {day} {b} an"),
    ("{a} met {b} in {c} on {day}", "am {day} traf {a} in {c} {b}"),
    ("{a} from {b} is a friend of {c}", "{c} ist mit {a} aus {b} befreundet"),
    ("{a} wrote to {b} in {month}", "im {month} schrieb {a} an {b}"),
    ("in {month} {a} will move from {b} to {c}", "{a} zieht im {month} von {b} nach {c}"),
    ("does {a} from {b} know {c} and {d} ?", "kennt {a} aus {b} {c} und {d} ?"),
)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_COMMON = 20


def draw_name(dice: Dice) -> str:
    """Draw a name of two or three syllables: 348,000 there are."""
    syllables = [
        dice.pick(list(_CONSONANTS)) + dice.pick(list(_VOWELS)) for _ in range(dice.between(2, 3))
    ]
    return "".join(syllables).capitalize()


class Names:
    """Sentences with two to four names each; a share `common` of these is one of 20, every other one is drawn anew.

    Sources never repeat; see `drawing.py` for the splits. `corpus_seed` is not the seed of the run.
    """

    def __init__(
        self,
        source_language: str = "en",
        target_language: str = "de",
        common: float = 0.5,
        num_train: int = 4_000,
        num_val: int = 300,
        num_test: int = 500,
        corpus_seed: int = 1,
    ):
        if not 0.0 <= common <= 1.0:
            raise ValueError(f"common={common}: must be in [0, 1], a share of the names")
        if {source_language, target_language} != {"en", "de"}:
            raise ValueError(
                f"source_language={source_language} and target_language={target_language}: must be en and de, "
                "in either order"
            )
        self.source_language, self.target_language = source_language, target_language
        self.common = common
        self.sizes = check_sizes(num_train, num_val, num_test)
        self.corpus_seed = corpus_seed

    def read(self) -> ParallelText:
        """Make the text; raises `DataError` when there are too few different sentences."""
        advice = "lower data.corpus.common or data.corpus.num_train"
        return fill_splits(self._draw(), self.sizes, advice)

    def _draw(self) -> Iterator[Pair]:
        dice = Dice(self.corpus_seed)
        known = [draw_name(dice) for _ in range(_COMMON)]
        while True:
            sentence = dict(zip(("en", "de"), dice.pick(list(SENTENCES)), strict=True))
            is_known = [dice.fraction() < self.common for _ in "abcd"]
            words = [dice.pick(known) if one else draw_name(dice) for one in is_known]
            names = dict(zip("abcd", words, strict=True))
            day, month = dice.pick(list(DAYS)), dice.pick(list(MONTHS))
            texts = {
                "en": sentence["en"].format(**names, day=day[0], month=month[0]),
                "de": sentence["de"].format(**names, day=day[1], month=month[1]),
            }
            yield Pair(texts[self.source_language], texts[self.target_language])
