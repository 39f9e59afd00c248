"""What a config may name: edit the tables below when a class, a root key or a group is added."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from seq2seq_lab.config.annotation import is_number, show
from seq2seq_lab.config.problems import Problem, closest
from seq2seq_lab.config.signature import public_classes, source_file
from seq2seq_lab.errors import one_line

NODE = "node"
"""In a namespace table: a node with `_target_`."""
OPTIONAL_NODE = "node | None"
NAMESPACE = "namespace"


@dataclass(frozen=True)
class Rules:
    """What a config may say.

    `modules`: those whose public classes may be targets; `package.*` means the direct modules of a package of ours.
    `targets`: exact dotted names of other libraries' classes. `slow`: how the targets begin whose import takes seconds.
    `namespaces`: {path: {child: type}} of nodes without `_target_`; a type is NODE, OPTIONAL_NODE, NAMESPACE or an
    annotation such as `int | None`; a namespace that is None is open: any child that is a node or null.
    `ranges`: {root key or target.argument: (lowest, highest)} where no constructor of ours says so. `needs`: pairs of
    keys, the second must be true where the first is, with the reason.
    """

    modules: tuple[str, ...]
    targets: frozenset[str]
    namespaces: Mapping[str, Mapping[str, str] | None]
    slow: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[int | float, int | float]] = field(default_factory=dict)
    needs: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def range_problem(self, name: str, value: Any) -> str | None:
        """Return why a number is outside the range declared for this name, or None."""
        low, high = self.ranges.get(name, (-inf, inf))
        if not is_number(value) or low <= value <= high:
            return None
        bounds = f">= {low:g}" if high == inf else f"from {low:g} to {high:,.0f}"
        return f"{value} is out of range: must be {bounds}"

    def target_problem(self, target: Any, path: str = "") -> Problem | None:
        """Return why the target of the node at `path` may not be built, or None. Nothing is imported or run."""
        if not isinstance(target, str):
            return Problem(path, f"_target_ must be a dotted class name, got {show(target)}")
        if target in self.targets:
            return None
        module, _, name = target.rpartition(".")
        is_listed = module in self.modules or f"{module.rpartition('.')[0]}.*" in self.modules
        if is_listed and source_file(module) is not None:
            classes = public_classes(module)
            text = f"{module} has no class {name}{closest(name, classes)}"
            return None if name in classes else Problem(path, text)
        if target.split(".")[0] in {m.split(".")[0] for m in self.modules}:
            return Problem(path, f"_target_ {target}: no such class of ours")
        text = f"_target_ {one_line(target)} is not on the list of classes that a config may name, so it was refused"
        return Problem(path, text + closest(target, self.targets), is_unsafe=True)


_OPTIMIZERS = "Adadelta Adagrad Adam AdamW RMSprop SGD"
_SCHEDULES = (
    "ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR LinearLR MultiStepLR "
    "OneCycleLR PolynomialLR ReduceLROnPlateau StepLR"
)
_CALLBACKS = (
    "LearningRateMonitor ModelSummary RichModelSummary RichProgressBar StochasticWeightAveraging Timer "
    "TQDMProgressBar"
)
_TRAINER = "pytorch_lightning.Trainer"
_LOGGERS = "CSVLogger TensorBoardLogger WandbLogger"

RULES = Rules(
    # Every public class of these modules of ours may be a target.
    modules=(
        "seq2seq_lab.data.*",
        "seq2seq_lab.data.tokenizer.*",
        "seq2seq_lab.model.*",
        "seq2seq_lab.decoding.*",
        "seq2seq_lab.training.*",
        "seq2seq_lab.training.callback.*",
        "seq2seq_lab.training.logger.*",
        "seq2seq_lab.training.scheduled_sampling.*",
    ),
    # Of other libraries, exactly these classes.
    targets=frozenset(
        [f"torch.optim.{name}" for name in _OPTIMIZERS.split()]
        + [f"torch.optim.lr_scheduler.{name}" for name in _SCHEDULES.split()]
        + [f"pytorch_lightning.callbacks.{name}" for name in _CALLBACKS.split()]
        + [f"pytorch_lightning.loggers.{name}" for name in _LOGGERS.split()]
        + [_TRAINER]
    ),
    # The keys of the nodes that have no `_target_`, with their types.
    namespaces={
        "": {
            "seed": "int",
            "run_dir": "str | None",
            "resume": "str | None",
            "name": "str | None",
            "traceback": "bool",
            "study": "str | None",
            "study_dir": "str | None",
            "torch_threads": "int | None",
            "model": NODE,
            "data": NODE,
            "decoding": NODE,
            "training": NAMESPACE,
        },
        "training": {
            "loss": NODE,
            "optimizer": NODE,
            "lr_schedule": OPTIONAL_NODE,
            "scheduled_sampling": NODE,
            "callback": NAMESPACE,
            "logger": OPTIONAL_NODE,
            "trainer": NODE,
        },
        "training.callback": None,
    },
    # Lightning takes seconds to import; these classes are first tried once train.py has imported it.
    slow=(
        "pytorch_lightning.",
        "seq2seq_lab.training.datamodule.",
        "seq2seq_lab.training.callback.",
        "seq2seq_lab.training.logger.",
    ),
    # Numbers that no constructor of ours checks: {root key or target.argument: (lowest, highest)}.
    ranges={
        "seed": (0, 2**32 - 1),
        "torch_threads": (1, 4096),
        f"{_TRAINER}.accumulate_grad_batches": (1, inf),
        f"{_TRAINER}.check_val_every_n_epoch": (1, inf),
        f"{_TRAINER}.gradient_clip_val": (0, inf),
        f"{_TRAINER}.log_every_n_steps": (1, inf),
        f"{_TRAINER}.max_epochs": (-1, inf),
        f"{_TRAINER}.max_steps": (-1, inf),
        f"{_TRAINER}.num_sanity_val_steps": (-1, inf),
    },
    # {(key, other key that must be true with it): the reason}.
    needs={
        ("model.tie_source", "data.joint"): "one embedding for both sides needs one vocabulary",
    },
)
