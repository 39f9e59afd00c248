"""A preset of an experiment: `preset=full` adds conf/experiment/NAME/full.yaml to `experiment=NAME`.

conf/train.yaml adds that file if it is there; an experiment without it would be the plain one without a word.
"""

from typing import Any

from hydra.core.object_type import ObjectType

from seq2seq_lab.config.problems import Problem


def preset_problem(cfg: Any, repository: Any) -> Problem | None:
    """Return why the experiment and the preset that a composed config chooses are not one; None if they are.

    `repository` is Hydra's: the config files of conf/, of extensions and of the command line.
    """
    choices = cfg.hydra.runtime.choices
    preset, experiment = choices.get("preset"), choices.get("experiment")
    name, _, part = str(experiment).partition("/")
    if part and repository.config_exists(f"experiment/{name}"):
        group, _, option = part.rpartition("/")
        key = f"experiment/{name}/{group}" if group else "preset"
        text = f"no experiment; write experiment={name} {key}={option}"
        return Problem(f"experiment={experiment}", text)
    if preset is None or repository.config_exists(f"experiment/{experiment}/{preset}"):
        return None
    names = [
        name
        for name in repository.get_group_options("experiment", ObjectType.CONFIG)
        if repository.config_exists(f"experiment/{name}/{preset}")
    ]
    wrong = f"experiment={experiment} has none" if experiment else "needs an experiment"
    return Problem(f"preset={preset}", f"{wrong}; those that have one: {', '.join(names)}")
