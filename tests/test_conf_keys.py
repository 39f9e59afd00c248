"""Every key of the files under conf/ is an argument of a constructor, or other keys refer to it."""

import re
from collections import ChainMap

import pytest
import yaml

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose, compose_config, conf_dir
from seq2seq_lab.errors import UserError

CONF = conf_dir()


def refusal(*overrides: str) -> str:
    """Return why the check refuses these overrides; an empty text if it does not."""
    try:
        check(compose_config(list(overrides)))
    except UserError as error:
        return str(error)
    return ""


def leaves(node: object, path: str = "") -> list[str]:
    """Return the dotted paths of all scalar keys of a yaml file."""
    if isinstance(node, dict):
        inner = (
            (k, v)
            for k, v in node.items()
            if k not in ("defaults", "_target_", "_partial_", "hydra")
        )
        return [leaf for k, v in inner for leaf in leaves(v, f"{path}.{k}" if path else k)]
    return [path]


KEYED = [
    path
    for group in ("model", "training", "data", "decoding")
    for path in sorted((CONF / group).rglob("*.yaml"))
]


@pytest.mark.parametrize(
    "path", KEYED, ids=[p.relative_to(CONF).with_suffix("").as_posix() for p in KEYED]
)
def test_every_key_is_an_argument_or_referred_to(path):
    """A key that is renamed is refused: nothing ignores what it does not know."""
    content = yaml.safe_load(path.read_text()) or {}
    bases = [b for b in content.pop("defaults", []) if isinstance(b, str) and b != "_self_"]
    inherited = [yaml.safe_load(path.with_name(f"{base}.yaml").read_text()) for base in bases]
    target = (ChainMap(content, *inherited)).get("_target_", "")
    texts = "\n".join(p.read_text() for p in CONF.rglob("*.yaml"))
    for key in leaves(content):
        head = key.split(".")[0]
        group = path.parent.relative_to(CONF).as_posix().replace("/", ".")
        is_referred = re.search(rf"\$\{{{group}\.{re.escape(key)}[\}}.]", texts) is not None
        assert (
            is_referred
            or target
            or head
            in ("encoder", "decoder", "feature_encoder", "corpus", "tokenizer", "experiment")
        ), key
        if target and not is_referred:
            assert head in _arguments(target), f"{path}: {key}"


def _arguments(target: str) -> set[str]:
    import importlib
    import inspect

    module, _, name = target.rpartition(".")
    return set(inspect.signature(getattr(importlib.import_module(module), name)).parameters)


NODES = [
    "model",
    "data",
    "data.corpus",
    "model.encoder",
    "training.optimizer",
    "decoding",
    "training.logger",
]


@pytest.mark.parametrize("key", NODES)
def test_an_unknown_key_anywhere_is_refused(key):
    assert "no_such_key" in refusal(f"+{key}.no_such_key=1")


def test_keys_of_the_root_are_all_used():
    found = refusal("+unused=1")
    assert "unused" in found


def test_the_composed_default_has_no_missing_value_but_the_vocabulary_sizes():
    cfg = compose([])
    missing = [path for path in leaves(cfg) if _at(cfg, path) == "???"]
    assert missing
    assert all(path.endswith("vocab_size") for path in missing)


def _at(node: dict, path: str) -> object:
    for key in path.split("."):
        node = node[key]
    return node
