"""The extras of this package: what each brings, which choices need it, and how to install it. One table for all."""

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Extra:
    """Modules that an extra installs, and how the names of the classes begin that need them."""

    modules: tuple[str, ...]
    targets: tuple[str, ...] = ()


_CLUSTER = "hydra_plugins.seq2seq_lab_cluster"

EXTRAS = {
    "fonts": Extra(("noto_cjk_sans_jp_regular", "manimgx_fonts")),
    "spacy": Extra(("spacy",), ("seq2seq_lab.data.tokenizer.spacy.",)),
    "jieba": Extra(("jieba",), ("seq2seq_lab.data.tokenizer.jieba.",)),
    "onnx": Extra(("onnx", "onnxruntime")),
    "tune": Extra(("optuna",)),
    "tensorboard": Extra(("tensorboard",), ("seq2seq_lab.training.logger.tensorboard_run.",)),
    "trackio": Extra(("trackio",), ("seq2seq_lab.training.logger.trackio_run.",)),
    "workspaces": Extra(("wandb_workspaces",)),
    "hf": Extra(("datasets", "huggingface_hub"), ("seq2seq_lab.data.hugging_face.",)),
    "sweep": Extra(
        ("hydra_plugins.hydra_joblib_launcher", "joblib"), ("hydra_plugins.hydra_joblib_launcher.",)
    ),
    "slurm": Extra(
        ("hydra_plugins.hydra_submitit_launcher", "submitit"),
        (
            "hydra_plugins.hydra_submitit_launcher.",
            f"{_CLUSTER}.SlurmLauncher",
            f"{_CLUSTER}.LocalLauncher",
        ),
    ),
    "ray": Extra(
        ("hydra_plugins.hydra_ray_launcher", "ray"),
        ("hydra_plugins.hydra_ray_launcher.", f"{_CLUSTER}.RayLauncher"),
    ),
}
"""A test holds this table equal to `optional-dependencies` of pyproject.toml."""


def is_installed(module: str) -> bool:
    """Tell whether a module can be found; only packages above it are imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: an empty entry in sys.modules
        return False


def install_line(extra: str) -> str:
    """Return the command that installs an extra, quoted for every shell."""
    return f"pip install 'seq2seq-lab[{extra}]'"


def missing_extra(extra: str) -> str | None:
    """Return what is missing of an extra and how to install it, or None if all its modules are there."""
    missing = [module for module in EXTRAS[extra].modules if not is_installed(module)]
    if not missing:
        return None
    return f"{missing[0].rpartition('.')[2]} is not installed; {install_line(extra)}"


def missing_for(target: str) -> str | None:
    """Return what a class needs that is not installed, and how to install it, or None."""
    extras = [name for name, extra in EXTRAS.items() if target.startswith(extra.targets)]
    return next(filter(None, map(missing_extra, extras)), None)
