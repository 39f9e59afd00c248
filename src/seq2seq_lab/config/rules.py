"""The tables of what a config may name: edit these when a class, a root key or a group is added."""

from math import inf

from seq2seq_lab.config.structure import NAMESPACE, NODE, OPTIONAL_NODE, Rules

_OPTIMIZERS = "Adadelta Adagrad Adam AdamW RMSprop SGD"
_SCHEDULES = (
    "ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR LinearLR MultiStepLR "
    "OneCycleLR PolynomialLR ReduceLROnPlateau StepLR"
)
_CALLBACKS = (
    "EarlyStopping LearningRateMonitor ModelCheckpoint ModelSummary RichModelSummary RichProgressBar "
    "StochasticWeightAveraging Timer TQDMProgressBar"
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
    # Required arguments that `build(node, name=value)` gives at run time: {path or target pattern: names}.
    runtime={},
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
        "pytorch_lightning.callbacks.EarlyStopping.patience": (0, inf),
        "pytorch_lightning.callbacks.ModelCheckpoint.save_top_k": (-1, inf),
    },
    # {(key, other key that must be true with it): the reason}.
    needs={
        ("model.tie_source", "data.joint"): "one embedding for both sides needs one vocabulary",
    },
)
