"""What a config may name: edit the tables below when a class, a root key or a group is added."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from seq2seq_lab.config.annotation import is_number, show
from seq2seq_lab.config.definition import public_classes, source_file
from seq2seq_lab.config.extension_target import extension_problem, is_of_extension, is_slow
from seq2seq_lab.config.keys import is_node
from seq2seq_lab.config.kind import is_of_module, names
from seq2seq_lab.config.problems import Problem, closest
from seq2seq_lab.errors import one_line

NODE = "node"
"""In a namespace table: a node with `_target_`."""
OPTIONAL_NODE = "node | None"
NAMESPACE = "namespace"
OPTIONAL_NAMESPACE = "namespace | None"
_OF_ONES_OWN = (
    "; classes of your own come from an installed extension or --extension PATH, see docs/extend.md"
)


@dataclass(frozen=True)
class Rules:
    """What a config may say.

    `modules`: those whose public classes may be targets; `package.*` means the direct modules of a package of ours.
    `targets`: exact dotted names of other libraries' classes. `slow`: how the targets begin whose import takes seconds.
    The public classes of trusted extensions may be targets too, whatever these tables say.
    `namespaces`: {path: {child: type}} of nodes without `_target_`; a type is one of the four above or an
    annotation such as `int | None`; a namespace that is None is open: any child that is a node or null.
    `ranges`: {root key, target.argument or *.argument: (lowest, highest)} where no constructor of ours says so.
    `unsupported`: {target.argument: (the values that are supported, NODE for any node, what to do instead)}. `needs`:
    pairs of keys, the second must be true where the first is (or has the value after `=`), with the reason. `kinds`:
    {path: the class that the node there must be or derive from, or modules ending in a dot that must define it}.
    `filled`: {key: who fills it in a run}. `reads`: {key: (keys of which the first that is not null counts, its class,
    what to do instead)} where the key is not null.
    """

    modules: tuple[str, ...]
    targets: frozenset[str]
    namespaces: Mapping[str, Mapping[str, str] | None]
    slow: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[int | float, int | float]] = field(default_factory=dict)
    needs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    filled: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, tuple[tuple[str, ...], str, str]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    unsupported: Mapping[str, tuple[tuple[Any, ...], str]] = field(default_factory=dict)

    def support_problem(self, name: str, value: Any) -> str | None:
        """Return what to do instead of giving an argument a value that training does not support, or None."""
        allowed, advice = self.unsupported.get(name, ((value,), ""))
        is_allowed = any(type(value) is type(one) and value == one for one in allowed)
        is_allowed = is_allowed or (NODE in allowed and is_node(value))
        return None if is_allowed else f"{show(value)} is not supported; {advice}"

    def kind_problem(self, path: str, target: str) -> str | None:
        """Return why a class cannot stand at this path of a namespace, or None."""
        kind = self.kinds.get(path) or self.kinds.get(path.rpartition(".")[0] + ".*")
        if kind is None or self.target_problem(target) is not None:
            return None
        if any(is_of_module(target, one) for one in kind.split()) or kind in names(target):
            return None
        name = target.rpartition(".")[2]
        what = f"a class of {kind.split()[0].rstrip('.')}" if kind.endswith(".") else f"a {kind}"
        if is_of_extension(target):
            what += " or one that derives from it"
        advice = f"choose an option of {path.replace('.', '/')}"
        if target.startswith("torch.optim.lr_scheduler."):
            advice = "make it the `scheduler` of training/lr_schedule=step, or " + advice
        return f"expected {what}, got {name}; {advice}"

    def range_problem(self, name: str, value: Any) -> str | None:
        """Return why a number is outside the range declared for this name, or None."""
        if not is_number(value):
            return None
        if not -inf < value < inf:
            return f"{value} is not a finite number; give one"
        low, high = self.ranges.get(name) or self.ranges.get(
            f"*.{name.rpartition('.')[2]}", (-inf, inf)
        )
        if low <= value <= high:
            return None
        if low == -inf:
            return f"{value} is out of range: must be <= {high:,.0f}"
        bounds = f">= {low:g}" if high == inf else f"from {low:g} to {high:,.0f}"
        return f"{value} is out of range: must be {bounds}"

    def target_problem(self, target: Any, path: str = "") -> Problem | None:
        """Return why the target of the node at `path` may not be built, or None. Nothing is imported or run."""
        if not isinstance(target, str):
            return Problem(path, f"_target_ must be a dotted class name, got {show(target)}")
        if target in self.targets:
            return None
        if is_of_extension(target):
            return extension_problem(target, path)
        module, _, name = target.rpartition(".")
        is_listed = module in self.modules or f"{module.rpartition('.')[0]}.*" in self.modules
        if is_listed and source_file(module) is not None:
            classes = public_classes(module)
            if name in classes:
                return None
            return Problem(path, f"{module} has no class {name}{closest(name, classes)}")
        if target.split(".")[0] in {m.split(".")[0] for m in self.modules}:
            return Problem(path, f"_target_ {target}: no such class of ours")
        text = f"_target_ {one_line(target)} is not on the list of classes that a config may name, so it was refused"
        guess = closest(target, self.targets) or _OF_ONES_OWN
        return Problem(path, text + guess, is_unsafe=True)

    def is_slow(self, target: str) -> bool:
        """Tell whether the import of a target takes seconds."""
        return target.startswith(self.slow) or is_slow(target, self.slow)


_OPTIMIZERS = "Adadelta Adagrad Adam AdamW RMSprop SGD"
_SCHEDULES = (
    "ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR LinearLR MultiStepLR "
    "OneCycleLR PolynomialLR ReduceLROnPlateau StepLR"
)
_CALLBACKS = (
    "LearningRateMonitor ModelSummary RichModelSummary RichProgressBar Timer TQDMProgressBar"
)
_PROFILERS = "SimpleProfiler PyTorchProfiler"
_TRAINER = "pytorch_lightning.Trainer"

_PAIRS = ("num_train", "num_val", "num_test", "num_pairs")
_COUNTS = (
    "max_length", "test_max_length", "max_value", "dim",
    "embedding_dim",
)  # fmt: skip
_SMALL_COUNTS = ["num_layers", "beam_size", "n_best", "num_groups", "passes", "num_workers"]

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
        + [f"pytorch_lightning.profilers.{name}" for name in _PROFILERS.split()]
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
            "prediction": "dict | None",
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
            "logger": OPTIONAL_NAMESPACE,
            "initial_weights": OPTIONAL_NODE,
            "trainer": NODE,
        },
        "training.callback": None,
        "training.logger": None,
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
        **dict.fromkeys(("seed", "*.seed", "*.corpus_seed"), (0, 2**32 - 1)),
        "torch_threads": (1, 4096),
        f"{_TRAINER}.accumulate_grad_batches": (1, 1_000_000),
        f"{_TRAINER}.check_val_every_n_epoch": (1, inf),
        f"{_TRAINER}.gradient_clip_val": (0, inf),
        f"{_TRAINER}.log_every_n_steps": (1, inf),
        f"{_TRAINER}.max_epochs": (-1, inf),
        f"{_TRAINER}.max_steps": (-1, inf),
        f"{_TRAINER}.num_sanity_val_steps": (-1, inf),
        f"{_TRAINER}.devices": (-1, 1024),
        f"{_TRAINER}.val_check_interval": (1e-9, inf),
        f"{_TRAINER}.limit_train_batches": (1e-9, inf),
        f"{_TRAINER}.limit_val_batches": (1e-9, inf),
        f"{_TRAINER}.limit_test_batches": (1e-9, inf),
        # more would compute, allocate or write for ever
        **dict.fromkeys((f"*.{name}" for name in _COUNTS), (-inf, 10_000_000)),
        **dict.fromkeys((f"*.{name}" for name in _PAIRS), (-inf, 2_000_000)),
        **dict.fromkeys((f"*.{name}" for name in _SMALL_COUNTS), (-inf, 1000)),
    },
    # What Lightning takes and training here does not support: (what is supported, what to do instead).
    unsupported={
        f"{_TRAINER}.fast_dev_run": ((False,), "use debug=fast_dev_run"),
        f"{_TRAINER}.barebones": ((False,), "leave it out"),
        f"{_TRAINER}.overfit_batches": ((0, 0.0), "use debug=overfit"),
        f"{_TRAINER}.enable_checkpointing": ((None, True), "use training.callback.checkpoint=null"),
        f"{_TRAINER}.enable_progress_bar": ((None,), "use training.callback.progress"),
        f"{_TRAINER}.use_distributed_sampler": (
            (False,),
            "the batches are shared out already; leave it false",
        ),
        f"{_TRAINER}.gradient_clip_algorithm": (
            (None, "norm"),
            "gradients are clipped by their norm; leave it out",
        ),
        f"{_TRAINER}.callbacks": ((None,), "use +training/callback=NAME"),
        f"{_TRAINER}.logger": ((None,), "use training/logger=NAME"),
        f"{_TRAINER}.plugins": ((None,), "leave it out"),
        f"{_TRAINER}.default_root_dir": ((None,), "use run_dir=PATH"),
        f"{_TRAINER}.profiler": ((None, NODE), "use debug=profiler or debug=torch_profiler"),
        **dict.fromkeys(
            (f"pytorch_lightning.profilers.{name}.dirpath" for name in _PROFILERS.split()),
            ((None,), "the report goes to the run folder; leave it out"),
        ),
        f"{_TRAINER}.num_nodes": ((1,), "one machine trains a run; start more runs as a sweep"),
    },
    # What the nodes outside constructors must be.
    kinds={
        "model": "EncoderDecoder",
        "data": "Seq2SeqDataModule",
        "decoding": "SearchSettings",
        "training.loss": "seq2seq_lab.training.loss.",
        "training.optimizer": "torch.optim.",
        "training.lr_schedule": "seq2seq_lab.training.lr_schedule.",
        "training.scheduled_sampling": (
            "seq2seq_lab.training.scheduled_sampling.sequential. seq2seq_lab.training.scheduled_sampling.parallel."
        ),
        "training.initial_weights": "seq2seq_lab.training.initial_weights.",
        "training.logger.*": "Logger",
        "training.trainer": "Trainer",
        "training.callback.*": "Callback",
    },
    # {(key, other key that must be true with it): the reason}.
    needs={
        ("model.tie_source", "data.joint"): "one embedding for both sides needs one vocabulary",
        ("model.decoder.mixture._target_=seq2seq_lab.model.output.CopyOutput", "data.joint"): (
            "model/output=copy puts source ids into the target, so both sides need one vocabulary"
        ),
    },
    # {key: (where its partner is, the class of the partner, how to choose it)}.
    reads={
        "model.feature_encoder": (
            ("data.source_tokenizer", "data.tokenizer"),
            "FeaturesTokenizer",
            "choose data/tokenizer@data.source_tokenizer=features, or model/feature_encoder=none",
        ),
    },
    # {key that is known only when the data are read: who fills it}.
    filled=dict.fromkeys(
        (
            "model.source_vocab_size",
            "model.target_vocab_size",
            "model.feature_encoder.text_vocab_size",
        ),
        "the tokenizer of that side",
    ),
)
