"""After the test, the tested model decodes the test split by further searches, each in a folder of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.named_search import NamedSearch, overrides_of
from seq2seq_lab.inference.search_folder import refuse_others
from seq2seq_lab.inference.searches import SearchedRun, decode, searching


class Searches(pl.Callback):
    """Decodes the test split with the tested weights by each search: `searches` maps names to overrides of train.py.

    Validation, the choice of the checkpoint and the test itself stay as `decoding` says. Each search writes its
    hypotheses and numbers to searches/NAME/ of the run folder, all at once; one that is done is not decoded again. The
    runs of a pack decode one model after the other, so that the seconds are those of one model.
    """

    def __init__(self, searches: dict[str, list[str] | str]):
        self.names = tuple(overrides_of(searches))
        self.chosen: Sequence[NamedSearch] = ()

    def choose(self, chosen: Sequence[NamedSearch]) -> None:
        """Take the searches as composed and checked from the config (`inference/search_choice.py`)."""
        self.chosen = chosen

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Refuse, before the model trains, a search that it cannot carry out or whose folder holds another one."""
        if tuple(search.name for search in self.chosen) != self.names:
            raise ConfigError(
                "training.callback.searches: the searches were not composed; train by train.py"
            )
        if stage == "fit":
            refuse_others(Path(trainer.default_root_dir), self.chosen)
            for search in self.chosen:
                searching(pl_module.translator, search)

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Decode by each search; of a distributed run, the first process does."""
        data = trainer.datamodule
        if trainer.is_global_zero and data.pairs["test"]:
            run, language = Path(trainer.default_root_dir), data.corpus.target_language
            tested = SearchedRun(run, pl_module.translator, data.pairs["test"], language)
            for search in self.chosen:
                decode(tested, search)
        trainer.strategy.barrier()
