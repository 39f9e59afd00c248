"""Names of arms that people read in a paper: declared beside the study, or made of its factors."""

import re
from collections.abc import Mapping

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.records import Records
from seq2seq_lab.stored_text import read_yaml

FILE = "arm_names.yaml"
"""In the folder of a study: `arm: name`, for the arms whose name is to be another than the one made here."""
_ACRONYMS = {
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "RNN",
    "bpe": "BPE",
    "mlp": "MLP",
    "attn": "attention",
}
_NONE = {"none", "null", "false"}


def arm_names(records: Records) -> dict[str, str]:
    """Return a name for each arm. Raises `ConfigError` for a file that names another arm, or two by one name."""
    made = made_names(records)
    return made | _declared(records, made)


def made_names(records: Records) -> dict[str, str]:
    """Return a name for each arm, made of its factors; where two are the same, or there is no study, the arms."""
    if not records.is_study:
        return {arm: arm for arm in records.arms}
    factors = {run.arm: run.factors for run in records.runs}
    factors |= {run.arm: run.factors for run in records.unfinished}
    made = {arm: _made(factors[arm]) for arm in records.arms}
    return made if len(set(made.values())) == len(made) else {arm: arm for arm in made}


def _declared(records: Records, made: dict[str, str]) -> dict[str, str]:
    path = records.place / FILE
    if not path.is_file():
        return {}
    found = read_yaml(path, ConfigError, "write one line `arm: name` for each arm to be named")
    if not isinstance(found, dict) or not all(
        isinstance(v, str) and v.strip() for v in found.values()
    ):
        raise ConfigError(f"{path}: must be lines of `arm: name`, both of them text")
    for arm in found:
        if arm not in made:
            raise ConfigError(
                f"{path}: {arm}: no arm of this study; its arms are {'; '.join(made)}"
            )
    names = list((made | found).values())
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{path}: two arms are called {twice[0]}; give each a name of its own")
    return found


def _made(factors: Mapping[str, str]) -> str:
    return ", ".join(_part(key, value) for key, value in factors.items()) or "all runs"


def _part(key: str, value: str) -> str:
    """Return one factor as words: `dot attention` for an option, `dim 16` for a number, `no dropout` for none."""
    name = _words(re.split(r"[./]", key)[-1])
    if value.lower() in _NONE:
        return f"no {name}"
    if value.lower() == "true":
        return name
    if key == "model":
        return _words(value)
    if re.fullmatch(r"[-+.\d][-+.\deE]*", value) or "/" not in key:
        return f"{name} {_words(value)}"
    return f"{_words(value)} {name}"


def _words(text: str) -> str:
    return " ".join(_ACRONYMS.get(word.lower(), word) for word in text.split("_") if word)
