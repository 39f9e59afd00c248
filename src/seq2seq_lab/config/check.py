"""All mistakes of a composed config in one error, before anything is built or read."""

from omegaconf import DictConfig, OmegaConf

from seq2seq_lab.config.problems import Problem, raise_problems
from seq2seq_lab.config.resolve import plain_values
from seq2seq_lab.config.rules import RULES, Rules


def check(cfg: DictConfig, rules: Rules = RULES, *, with_lightning: bool = False) -> None:
    """Raise one error that lists every mistake of the config; nothing is built that could read data.

    `with_lightning` also builds what takes seconds to import: trainer, callbacks, logger and data module.
    Raises `ConfigError`, or `UnsafeError` if all that is wrong are targets outside the list.
    """
    raise_problems(all_problems(cfg, rules, with_lightning=with_lightning))


def all_problems(cfg: DictConfig, rules: Rules, *, with_lightning: bool) -> list[Problem]:
    """Return every mistake of a composed config, those of interpolations first."""
    from seq2seq_lab.config.dry_run import find_problems

    problems: list[Problem] = []
    plain = plain_values(cfg, "", cfg, problems)
    raw = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(raw, dict)
    for tree in (raw, plain):
        tree.pop("hydra", None)
    return problems + find_problems(raw, plain, rules, with_lightning=with_lightning)
