"""Inflection with features: nouns in the cases, numbers and possessives of Turkish, `deniz<TAB>N;ACC;PL` -> denizleri.

The stems are made up, the suffixes follow the rules of the language: vowel harmony, buffer consonants and the
assimilation of d (Goksel and Kerslake 2005, chapters 3 and 8). Softening of the stem's last consonant and other changes
inside a stem are left out, since they depend on the word. The features are those of UniMorph.
"""

from collections.abc import Iterator

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.drawing import Dice, check_range, check_sizes, fill_splits
from seq2seq_lab.data.parallel import check_languages

VOWELS, CONSONANTS = "aıoueiöü", "bcçdfghjklmnprsştvyz"
BACK, ROUND, VOICELESS = "aıou", "ouöü", "çfhkpsşt"
NUMBERS, POSSESSIVES = ("SG", "PL"), ("", "PSS1S", "PSS2S", "PSS3S")
SUFFIXES = {
    "NOM": ("", ""), "ACC": ("I", "y"), "DAT": ("A", "y"), "GEN": ("In", "n"),
    "LOC": ("DA", ""), "ABL": ("DAn", ""), "INS": ("lA", "y"),
}  # fmt: skip
"""Case: (suffix, the buffer consonant that follows a vowel). I, A and D stand for what harmony makes of them."""
CASES = tuple(SUFFIXES)


def added(word: str, suffix: str) -> str:
    """Return the word with a suffix: I becomes ı i u ü, A becomes a e, D becomes d t."""
    for letter in suffix:
        last = next(c for c in reversed(word) if c in VOWELS)
        is_back, is_round = last in BACK, last in ROUND
        if letter == "A":
            letter = "a" if is_back else "e"
        elif letter == "I":
            letter = ("u" if is_round else "ı") if is_back else ("ü" if is_round else "i")
        elif letter == "D":
            letter = "t" if word[-1] in VOICELESS else "d"
        word += letter
    return word


def inflected(stem: str, case: str, number: str, possessive: str) -> str:
    """Return the form of a stem, which has at least one vowel; possessive "" means none."""
    word = added(stem, "lAr") if number == "PL" else stem
    ends_in_vowel = word[-1] in VOWELS
    if possessive == "PSS3S":
        word = added(word, "sI" if ends_in_vowel else "I")
    elif possessive:
        word = added(
            word, ("" if ends_in_vowel else "I") + {"PSS1S": "m", "PSS2S": "n"}[possessive]
        )
    suffix, buffer = SUFFIXES[case]
    if case == "NOM":
        return word
    if possessive == "PSS3S" and case != "INS":
        buffer = "n"
        return added(word, buffer + suffix)
    return added(word, (buffer if word[-1] in VOWELS else "") + suffix)


class Inflection:
    """Made-up stems of `min_syllables` to `max_syllables`, each in a random cell of the paradigm (56 cells).

    Without `features` the source is the stem alone, for comparison: nothing then tells which form is wanted. Sources
    never repeat; see `drawing.py` for the splits, which do not depend on `features`. `corpus_seed` chooses the words;
    it is not the seed of the run.
    """

    def __init__(
        self,
        source_language: str = "tr",
        target_language: str = "tr",
        min_syllables: int = 1,
        max_syllables: int = 3,
        num_train: int = 2_000,
        num_val: int = 500,
        num_test: int = 500,
        corpus_seed: int = 1,
        *,
        features: bool = True,
    ):
        check_languages(source_language, target_language)
        self.source_language, self.target_language = source_language, target_language
        check_range("min_syllables", min_syllables, "max_syllables", max_syllables)
        self.syllables = min_syllables, max_syllables
        self.sizes = check_sizes(num_train, num_val, num_test)
        self.corpus_seed, self.features = corpus_seed, features

    def read(self) -> ParallelText:
        """Make the text; raises `DataError` when there are too few different sources."""
        advice = "raise data.max_syllables, or lower data.corpus.num_train"
        text = fill_splits(self._draw(), self.sizes, advice)
        if self.features:
            return text
        splits = (text.train, text.val, text.test)
        train, val, test = ([_without_features(pair) for pair in split] for split in splits)
        return ParallelText(train, val, test)

    def _draw(self) -> Iterator[Pair]:
        dice = Dice(self.corpus_seed)
        while True:
            stem = self._stem(dice)
            cell = dice.pick(list(CASES)), dice.pick(list(NUMBERS)), dice.pick(list(POSSESSIVES))
            features = ";".join(["N", *filter(None, cell)])
            yield Pair(f"{stem}\t{features}", inflected(stem, *cell))

    def _stem(self, dice: Dice) -> str:
        """Return consonant-vowel syllables, of which any may be closed; back and front vowels do not mix."""
        vowels = dice.pick([BACK, "".join(v for v in VOWELS if v not in BACK)])
        stem = ""
        for _ in range(dice.between(*self.syllables)):
            stem += dice.pick(list(CONSONANTS)) + dice.pick(list(vowels))
            stem += dice.pick(list(CONSONANTS)) if dice.below(3) == 0 else ""
        return stem


def _without_features(pair: Pair) -> Pair:
    return Pair(pair.source.partition("\t")[0], pair.target)
