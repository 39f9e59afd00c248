"""The phrase corpus: dates, times, units, amounts and lists of names, as Babel's CLDR writes them in any two locales.

Parallel text that people of each language wrote (month names, plural forms, word order), but built from patterns:
no prose. A locale is left without the kinds of clause for which it has no words of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.drawing import Dice, check_range, check_sizes, fill_splits
from seq2seq_lab.data.language import locale_name, semicolon
from seq2seq_lab.errors import DataError

if TYPE_CHECKING:
    from babel import Locale

UNITS = (
    *("length-kilometer", "length-meter", "length-centimeter", "length-mile", "length-foot"),
    *("mass-kilogram", "mass-gram", "mass-tonne", "mass-pound", "volume-liter", "volume-gallon"),
    *("area-square-kilometer", "area-square-meter", "area-hectare", "temperature-celsius"),
    *("speed-kilometer-per-hour", "speed-mile-per-hour", "digital-megabyte", "digital-gigabyte"),
    *("power-watt", "power-kilowatt", "energy-calorie", "duration-minute", "duration-week"),
)
CURRENCIES = ["EUR", "USD", "GBP", "JPY", "CNY", "INR", "CHF", "BRL", "KRW", "MXN", "SEK", "CAD"]
SPANS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "year": 31536000}
_LONGEST_SPAN = {"second": 59, "minute": 59, "hour": 23, "day": 6, "week": 4, "year": 99}
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1).toordinal(), date(2099, 12, 31).toordinal()
_MIN_NAMES = 10
_PLAIN_SPACES = str.maketrans("\u00a0\u202f", "  ")

Render = Callable[["Locale"], str]
"""Writes one drawn clause in a locale."""


class Phrases:
    """Sentences of `min_clauses` to `max_clauses` clauses of mixed kinds, the same content in both locales.

    No-break spaces become plain ones. Sources never repeat; see `drawing.py` for the splits. `corpus_seed` chooses
    the sentences; it is not the seed of the run.
    """

    def __init__(
        self,
        source_language: str = "en",
        target_language: str = "de",
        min_clauses: int = 1,
        max_clauses: int = 4,
        num_train: int = 11_500,
        num_val: int = 500,
        num_test: int = 500,
        corpus_seed: int = 1,
    ):
        self._locales = (
            locale_name("source_language", source_language),
            locale_name("target_language", target_language),
        )
        check_range("min_clauses", min_clauses, "max_clauses", max_clauses)
        self.source_language, self.target_language = (n.replace("_", "-") for n in self._locales)
        self.min_clauses, self.max_clauses = min_clauses, max_clauses
        self.sizes = check_sizes(num_train, num_val, num_test)
        self.corpus_seed = corpus_seed

    def read(self) -> ParallelText:
        """Make the text; raises `DataError` when the locales have nothing in common to write."""
        from babel import Locale

        source, target = map(Locale.parse, self._locales)
        kinds = clause_kinds(source, target)
        if not kinds:
            raise DataError(
                f"CLDR has no words for both {source} and {target}; choose other languages, such as "
                "data.source_language=en data.target_language=de"
            )
        advice = "raise data.max_clauses, or lower data.corpus.num_train"
        return fill_splits(self._draw(list(kinds.values()), source, target), self.sizes, advice)

    def _draw(
        self, kinds: list[Callable[[Dice], Render]], source: "Locale", target: "Locale"
    ) -> Iterator[Pair]:
        dice = Dice(self.corpus_seed)
        joins = semicolon(self.source_language), semicolon(self.target_language)
        while True:
            count = dice.between(self.min_clauses, self.max_clauses)
            clauses = [dice.pick(kinds)(dice) for _ in range(count)]
            first, second = (
                join.join(render(locale) for render in clauses).translate(_PLAIN_SPACES)
                for join, locale in zip(joins, (source, target), strict=True)
            )
            yield Pair(first, second)


def clause_kinds(source: "Locale", target: "Locale") -> dict[str, Callable[[Dice], Render]]:
    """Return what draws a clause, for each kind for which both locales have words of their own."""
    both = (source, target)
    countries = _shared_names([locale.territories for locale in both])
    languages = _shared_names([locale.languages for locale in both])
    currencies = [c for c in CURRENCIES if all(c in locale.currencies for locale in both)]
    units = [u for u in UNITS if all(u not in _unit_text(2, u, locale) for locale in both)]
    kinds: dict[str, tuple[bool, Callable[[Dice], Render]]] = {
        "date": (all(map(_has_month_names, both)), draw_date),
        "time": (all(map(_has_month_names, both)), draw_time),
        "span": (all(map(_has_spans, both)), draw_span),
        "unit": (bool(units), lambda dice: draw_unit(dice, units)),
        "amount": (bool(currencies), lambda dice: draw_amount(dice, currencies)),
        "countries": (
            len(countries) >= _MIN_NAMES,
            lambda dice: draw_list(dice, "territories", countries),
        ),
        "languages": (
            len(languages) >= _MIN_NAMES,
            lambda dice: draw_list(dice, "languages", languages),
        ),
    }
    return {name: draw for name, (is_there, draw) in kinds.items() if is_there}


def draw_date(dice: Dice) -> Render:
    """Draw a day of 1900-2099, with or without its day of the week."""
    from babel.dates import format_date

    day, style = date.fromordinal(dice.between(_FIRST_DAY, _LAST_DAY)), dice.pick(["full", "long"])
    return lambda locale: format_date(day, style, locale=locale)


def draw_time(dice: Dice) -> Render:
    """Draw a time of day, to the minute."""
    from babel.dates import format_time

    moment = time(dice.below(24), dice.below(60))
    return lambda locale: format_time(moment, "short", locale=locale)


def draw_span(dice: Dice) -> Render:
    """Draw a span such as `3 hours`, `in 3 hours` or `3 hours ago`."""
    from babel.dates import format_timedelta

    unit = dice.pick(list(SPANS))
    seconds = SPANS[unit] * dice.between(1, _LONGEST_SPAN[unit])
    has_direction, sign = bool(dice.below(2)), dice.pick([1, -1])
    span = timedelta(seconds=sign * seconds)
    return lambda locale: format_timedelta(
        span, threshold=1, add_direction=has_direction, locale=locale
    )


def draw_unit(dice: Dice, units: list[str]) -> Render:
    """Draw a measure such as `12 kilometers`."""
    unit, value = dice.pick(units), dice.log_uniform(9999)
    return lambda locale: _unit_text(value, unit, locale)


def draw_amount(dice: Dice, currencies: list[str]) -> Render:
    """Draw an amount of money, with the currency's sign or name."""
    from babel.numbers import format_currency

    currency = dice.pick(currencies)
    style: Literal["standard", "name"] = dice.pick(["standard", "name"])
    value = Decimal(dice.log_uniform(99_999)) + Decimal(dice.pick([0, 25, 50, 75])) / 100
    return lambda locale: format_currency(value, currency, locale=locale, format_type=style)


def draw_list(dice: Dice, table: str, codes: list[str]) -> Render:
    """Draw one to three names from a table of the locale (`territories`, `languages`)."""
    from babel.lists import format_list

    chosen = dice.sample(codes, dice.between(1, 3))
    return lambda locale: format_list([getattr(locale, table)[c] for c in chosen], locale=locale)


def _unit_text(value: int, unit: str, locale: "Locale") -> str:
    """Return the measure at full length; where CLDR has only a short form, that one."""
    from babel.units import format_unit

    texts = (format_unit(value, unit, length, locale=locale) for length in ("long", "short"))
    found = list(texts)
    return found[1] if unit in found[0] else found[0]


def _has_month_names(locale: "Locale") -> bool:
    return not locale.months["format"]["wide"][1].startswith("M0")  # the root locale says M01


def _has_spans(locale: "Locale") -> bool:
    from babel.dates import format_timedelta

    spans = [timedelta(seconds=sign * seconds) for seconds in SPANS.values() for sign in (1, -1)]
    texts = [
        format_timedelta(span, threshold=1, add_direction=has_direction, locale=locale)
        for span in spans
        for has_direction in (False, True)
    ]
    return all(text.strip() for text in texts)


def _shared_names(tables: list[Mapping[str, str]]) -> list[str]:
    """Return the two-letter codes that have a name in both tables."""
    first, second = tables
    shared = sorted(code for code in first if len(code) == 2 and code in second)
    return [code for code in shared if code not in (first[code], second[code])]
