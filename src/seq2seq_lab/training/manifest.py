"""The manifest of a run: code, versions, data, command and hardware, so that a number can be traced to what made it."""

import hashlib
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from seq2seq_lab.config.extension_facts import facts
from seq2seq_lab.config.typed_command import command_of_process
from seq2seq_lab.errors import CheckpointError, one_line
from seq2seq_lab.stored_text import read_json
from seq2seq_lab.threads import usable_cores

PACKAGES = (
    "seq2seq-lab", "torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "sacrebleu",
    "tokenizers", "sentencepiece", "wandb", "unicode-rbnf", "babel", "spacy", "jieba", "numpy",
)  # fmt: skip


def _git(*arguments: str) -> str | None:
    """Return git's answer about the folder of this code, or None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def code_version() -> dict[str, Any]:
    """Return commit and hash of the uncommitted changes; None outside a checkout."""
    commit, diff = _git("rev-parse", "HEAD"), _git("diff", "HEAD")
    changes = hashlib.sha256(diff.encode()).hexdigest() if diff else None
    return {"commit": commit.strip() if commit else None, "diff_sha256": changes}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def hardware() -> dict[str, Any]:
    """Return processor, the instructions that torch and MKL use of it, GPUs, cores, threads and system."""
    import torch

    from seq2seq_lab.model.kernel.linear import mkl_has_intel_kernels

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "mkl_has_intel_kernels": mkl_has_intel_kernels(),
        "cores": usable_cores(),
        "torch_threads": torch.get_num_threads(),
        "gpus": gpus,
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest of a run to be resumed; None, and a line that says so, if it cannot be read."""
    try:
        manifest = read_json(path, CheckpointError, "a new one begins at this resumption")
    except CheckpointError as error:
        sys.stderr.write(f"lost: {one_line(error)}\n")
        return None
    if not isinstance(manifest.get("resumed", []), list):
        manifest["resumed"] = []
    return manifest


def code_facts(config: dict[str, Any]) -> dict[str, Any]:
    """Return commit and uncommitted changes of this code, and the extensions that the config names."""
    return {"code": code_version(), "extensions": facts(config)}


def new_manifest(config: dict[str, Any], data: dict[str, Any], now: str) -> dict[str, Any]:
    """Return the manifest of a run that starts now."""
    return {
        "name": config["name"],
        "started": now,
        "command": command_of_process().words(),
        "seed": config["seed"],
        **code_facts(config),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "data": {split: part["sha256"] for split, part in data["splits"].items()},
        **({"data_origin": data["origin"]} if "origin" in data else {}),
        "tokenizers": data["tokenizers"],
        "hardware": hardware(),
    }
