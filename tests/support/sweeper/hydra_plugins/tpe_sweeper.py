"""A sweeper that searches, as anybody may write one: Optuna's TPE asks, the return values of the jobs answer."""

from typing import Any

import optuna
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from seq2seq_lab.study.tuning import parse_space


class TpeSweeper(Sweeper):
    """Runs one trial after the other; `space` is written as for `tune`."""

    seen: list[tuple[list[str], Any]]

    def __init__(self, trials: int, seed: int, space: list[str], direction: str):
        self.trials, self.space = trials, parse_space(list(space))[0]
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed), direction=direction
        )

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        TpeSweeper.seen = []
        for number in range(self.trials):
            trial = self.study.ask()
            values = [f"{one.key}={one.suggest(trial)}" for one in self.space]
            (job,) = self.launcher.launch([[*arguments, *values]], initial_job_idx=number)
            TpeSweeper.seen.append((values, job))
            try:
                self.study.tell(trial, job.return_value)
            except Exception:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        print(f"best {self.study.best_value!r}")


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="tpe",
    node={
        "_target_": "hydra_plugins.tpe_sweeper.TpeSweeper",
        "trials": 2,
        "seed": 1,
        "space": [],
        "direction": "maximize",
    },
)
