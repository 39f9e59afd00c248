"""A miniature package and conf tree on which the config tests stand, independent of the real one."""

import textwrap
from pathlib import Path

from seq2seq_lab.config.rules import NAMESPACE, NODE, OPTIONAL_NODE, Rules

RULES = Rules(
    modules=("minilab.parts", "minilab.training.*"),
    targets=frozenset(
        {
            "torch.optim.Adam",
            "torch.optim.SGD",
            "torch.optim.lr_scheduler.StepLR",
            "pytorch_lightning.Trainer",
        }
        | {"pytorch_lightning.callbacks.EarlyStopping", "pytorch_lightning.loggers.CSVLogger"}
    ),
    namespaces={
        "": {
            "seed": "int",
            "run_dir": "str",
            "name": "str | None",
            "traceback": "bool",
            "model": NODE,
            "data": NODE,
            "training": NAMESPACE,
        },
        "training": {
            "logger": OPTIONAL_NODE,
            "optimizer": NODE,
            "lr_schedule": OPTIONAL_NODE,
            "callback": NAMESPACE,
            "trainer": NODE,
        },
        "training.callback": None,
    },
    slow=("pytorch_lightning.", "minilab.training.datamodule."),
)

FILES = {
    "minilab/__init__.py": "",
    "minilab/parts.py": '''
        from dataclasses import dataclass
        from typing import Literal, Protocol
        import torch
        from torch import nn

        class Cell(Protocol):
            def size(self) -> int: ...

        class Tanh(nn.Module):
            def __init__(self, dim: int, *, bias: bool = True) -> None:
                super().__init__()
                if dim < 1:
                    raise ValueError(f"dim={dim}: must be >= 1; use dim=64")
                self.linear = nn.Linear(dim, dim, bias=bias)

        class Wide(Tanh):
            """Inherits its constructor."""

        class Model(nn.Module):
            def __init__(self, cell: Cell, vocab_size: int, dropout: float = 0.0,
                         attention: nn.Module | None = None, widths: list[int] | None = None,
                         order: Literal["before", "after"] = "after") -> None:
                super().__init__()
                if not 0 <= dropout < 1:
                    raise ValueError(f"dropout={dropout}: must be in [0, 1); use dropout=0.1")
                if vocab_size < 5:
                    raise ValueError("vocab_size too small")
                if widths is not None and attention is None:
                    raise ValueError("widths need attention; choose model/attention=dot")
                self.cell = cell

        class Dot(nn.Module):
            pass

        class Buggy(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                raise RuntimeError("a bug\\nin two lines")

        @dataclass
        class Corpus:
            source_language: str
            pairs: int = 10
            ratio: float = 0.5
            def __post_init__(self) -> None:
                if self.pairs < 1:
                    raise ValueError(f"pairs={self.pairs}: must be >= 1")

        class _Hidden:
            pass
    ''',
    "minilab/training/__init__.py": "",
    "minilab/training/datamodule.py": """
        import pytorch_lightning
        from minilab.parts import Corpus

        class Data(pytorch_lightning.LightningDataModule):
            def __init__(self, corpus: Corpus, tokenizer: object = None, *, joint: bool = False) -> None:
                super().__init__()
    """,
    "minilab/training/callback.py": """
        class Samples:
            def __init__(self, count: int = 3) -> None:
                self.count = count
    """,
    "conf/train.yaml": """
        defaults:
          - _self_
          - model: tanh
          - data: toy
          - training/optimizer: adam
          - training/lr_schedule: none
          - training/callback: [samples]
          - training/trainer: default
          - training/logger: none
          - optional experiment: null
          - override hydra/job_logging: none
          - override hydra/hydra_logging: none
        seed: 1
        name: ${hydra:runtime.choices.model}
        run_dir: outputs
        traceback: false
        hydra:
          run: {dir: out/run}
          sweep: {dir: out/sweep}
          output_subdir: null
    """,
    "conf/model/tanh.yaml": """
        defaults:
          - cell: tanh
          - attention: none
          - _self_
        _target_: minilab.parts.Model
        dim: 7
        dropout: 0.1
        vocab_size: ???
        cell: {dim: "${model.dim}"}
    """,
    "conf/model/wide.yaml": """
        defaults: [tanh, override cell: wide, _self_]
    """,
    "conf/model/cell/tanh.yaml": "_target_: minilab.parts.Tanh",
    "conf/model/cell/wide.yaml": "_target_: minilab.parts.Wide",
    "conf/model/attention/none.yaml": "# @package model\nattention: null",
    "conf/model/attention/dot.yaml": "_target_: minilab.parts.Dot",
    "conf/data/toy.yaml": """
        _target_: minilab.training.datamodule.Data
        source_language: en
        tokenizer_settings: {lowercase: true}
        tokenizer: ${data.tokenizer_settings.lowercase}
        corpus:
          _target_: minilab.parts.Corpus
          source_language: ${data.source_language}
    """,
    "conf/training/optimizer/adam.yaml": "_target_: torch.optim.Adam\n_partial_: true\nlr: 1e-3",
    "conf/training/optimizer/sgd.yaml": "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.1",
    "conf/training/lr_schedule/none.yaml": "# @package training\nlr_schedule: null",
    "conf/training/lr_schedule/step.yaml": (
        "_target_: torch.optim.lr_scheduler.StepLR\n_partial_: true\nstep_size: 2"
    ),
    "conf/training/callback/samples.yaml": "samples: {_target_: minilab.training.callback.Samples}",
    "conf/training/callback/early.yaml": (
        "early:\n  _target_: pytorch_lightning.callbacks.EarlyStopping\n  monitor: val/bleu"
    ),
    "conf/training/trainer/default.yaml": "_target_: pytorch_lightning.Trainer\nmax_epochs: 3",
    "conf/training/logger/none.yaml": "# @package training\nlogger: null",
    "conf/training/logger/csv.yaml": "_target_: pytorch_lightning.loggers.CSVLogger\nsave_dir: ${run_dir}",
    "conf/experiment/good.yaml": (
        "# @package _global_\ndefaults: [override /model: wide]\nmodel: {dim: 11}"
    ),
    "conf/experiment/lost.yaml": "# @package _global_\ndefaults: [override /model: lsmt]",
    "conf/experiment/broken.yaml": "# @package _global_\nmodel:\n  dim: [1, 2\nseed: 3",
    "conf/experiment/tag.yaml": "# @package _global_\nname: !!python/object/apply:os.system ['touch TAG']",
    "conf/experiment/search.yaml": "# @package _global_\nhydra: {searchpath: ['pkg://antigravity']}",
    "conf/experiment/folder.yaml": "# @package _global_\nhydra: {run: {dir: EVIL}}",
    "conf/experiment/evil.yaml": (
        "# @package _global_\nhydra:\n  callbacks:\n    x: {_target_: builtins.open, file: EVIL, mode: w}"
    ),
}


def write(folder: Path) -> Path:
    """Write the package and the conf tree into a folder; return the conf folder."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n") + "\n")
    return folder / "conf"
