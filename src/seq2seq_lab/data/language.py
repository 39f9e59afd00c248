"""Languages: text that is tokenized already; number rules, CLDR locales and list separators of generated text."""

import difflib
import importlib.util
from functools import lru_cache
from pathlib import Path

TOKENIZED = "-x-tok"
"""The end of the code of a language whose text is tokenized already, `de-x-tok` (a private-use subtag of BCP 47)."""
_NOT_A_LANGUAGE = frozenset({"root", "es_419", "en_001", "nb"})
"""Rule files without rules of their own."""
_COMMA = {
    "zh": "，",
    "yue": "，",
    "ja": "、",
    "ar": "، ",
    "fa": "، ",
    "lrc": "، ",
    # these write a comma inside a number
    "ff": "; ",
    "ga": "; ",
    "sw": "; ",
}
_SEMICOLON = {"zh": "；", "yue": "；", "ja": "；", "ar": "؛ ", "fa": "؛ ", "ur": "؛ "}


def comma(language: str) -> str:
    """Return the separator of two numbers of a list, spaces included."""
    return _COMMA.get(_primary(language), ", ")


def semicolon(language: str) -> str:
    """Return the separator of two clauses, spaces included."""
    return _SEMICOLON.get(_primary(language), "; ")


def number_language(argument: str, code: str) -> str:
    """Return the rule file's name for a language code; raise `ValueError` with close names for an unknown one."""
    return _known(argument, code, "unicode_rbnf", "rbnf", ".xml")


def locale_name(argument: str, code: str) -> str:
    """Return Babel's name for a language code; raise `ValueError` with close names for an unknown one."""
    return _known(argument, code, "babel", "locale-data", ".dat")


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()


def _known(argument: str, code: str, package: str, folder: str, suffix: str) -> str:
    names = _data_files(package, folder, suffix)
    by_lower_case = {name.lower(): name for name in names}
    name = by_lower_case.get(code.replace("-", "_").lower())
    if name is None:
        raise ValueError(
            f"{argument}={code}: must be one of the {len(names)} language codes that {package} knows; "
            f"{_close(code, names)}"
        )
    return name


@lru_cache(maxsize=4)
def _data_files(package: str, folder: str, suffix: str) -> list[str]:
    """Return the names of the package's language files; neither a file nor the package is loaded."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    files = [f for place in places or [] for f in Path(place, folder).glob(f"*{suffix}")]
    return sorted({f.stem for f in files} - _NOT_A_LANGUAGE)


def _close(code: str, names: list[str]) -> str:
    """Return advice: similar codes or those whose English name does, otherwise some that exist."""
    from babel import Locale

    english = Locale("en").languages
    spoken = {english.get(name, name).lower(): name for name in names}
    word = code.replace("-", "_").lower()
    near = [spoken[w] for w in difflib.get_close_matches(word, spoken, n=2, cutoff=0.8)]
    near += [
        n for n in (word.split("_")[0], *difflib.get_close_matches(word, names, n=3)) if n in names
    ]
    shown = [f"{name} ({english.get(name, name)})" for name in dict.fromkeys(near)]
    if shown:
        return f"did you mean {' or '.join(shown)}?"
    common = [n for n in ("ar", "de", "en", "es", "fr", "hi", "ja", "ko", "ru", "zh") if n in names]
    return f"among them {', '.join(common)}"
