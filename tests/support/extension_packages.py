"""Packages of other people as pip leaves them: a folder on `sys.path` with its dist-info."""

import contextlib
import importlib
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from seq2seq_lab.config import definition, extension_registry, signature
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.errors import UserError

SHARP = ["experiment=my_study", "data.corpus.num_train=20"]
"""Overrides that choose an experiment of my_lab."""

MY_LAB = {
    "__init__.py": "from my_lab.metric import METRICS",
    "attention.py": '''
        import os
        import subprocess
        from os import system

        from seq2seq_lab.model import attention
        from seq2seq_lab.model.attention import AdditiveAttention

        class SharpAttention(attention.AdditiveAttention):
            """Additive attention at a low temperature."""

            def __init__(self, sharpness: float = 2.0, **others):
                if not sharpness > 0:
                    raise ValueError(f"sharpness={sharpness}: must be > 0; use sharpness=2")
                super().__init__(temperature=1.0 / sharpness, **others)
                self.sharpness = sharpness

        class _Hidden(AdditiveAttention):
            pass

        def make(query_dim: int):
            return SharpAttention()

        Shell = subprocess.Popen
    ''',
    "data.py": '''
        from seq2seq_lab.data.synthetic import Copy
        from seq2seq_lab.data.tokenizer.word import WordTokenizer

        class Twice(Copy):
            """The target is the source, each symbol twice."""

            def answer(self, symbols):
                return [s for symbol in symbols for s in (symbol, symbol)]

        class Words(WordTokenizer):
            """Words under another name."""
    ''',
    "watch.py": '''
        import pytorch_lightning as pl
        from pytorch_lightning.loggers import CSVLogger

        class Counter(pl.Callback):
            """Counts batches."""

            def __init__(self, start: int = 0):
                self.count = start

            def on_train_batch_end(self, *args, **kwargs):
                self.count += 1

            @property
            def numbers(self):
                return {"my_lab/batches": float(self.count)}

        class MyLogger(CSVLogger):
            """Lightning's own, with its arguments."""
    ''',
    "metric.py": """
        from seq2seq_lab.metrics.metric import Ratio

        def first_words(hypotheses, references):
            return [(float(h.split()[:1] == r.split()[:1]), 1.0) for h, r in zip(hypotheses, references)]

        METRICS = {"first_word": Ratio("first_word", "first word %", first_words)}
    """,
    "conf/model/attention/sharp.yaml": """
        # @package model.decoder.attention
        _target_: my_lab.attention.SharpAttention
        query_dim: ${model.decoder.dim}
        memory_dim: ${model.encoder.dim}
        dim: ${model.dim}
        sharpness: 3.0
    """,
    "conf/data/twice.yaml": """
        defaults: [copy, _self_]
        corpus: {_target_: my_lab.data.Twice}
        tokenizer: {_target_: my_lab.data.Words}
    """,
    "conf/training/callback/counter.yaml": "counter: {_target_: my_lab.watch.Counter}",
    "conf/experiment/my_study.yaml": """
        # @package _global_
        defaults:
          - override /model: gru_attn
          - override /model/attention: sharp
          - override /data: twice
        name: my_study
    """,
}
"""A package with one of everything."""
TWICE = (
    "debug=tiny", "data.corpus.num_train=24", "data.corpus.num_val=8", "data.corpus.num_test=8", "data.vocab_size=6",
    "training.trainer.max_epochs=1",
)  # fmt: skip


def write(folder: Path, files: dict[str, str], name: str = "my_lab") -> Path:
    """Write the files of a package; return its folder."""
    for place, text in files.items():
        path = folder / name / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n") + "\n")
    return folder / name


def declare(
    folder: Path, value: str, *, distribution: str = "my-lab", version: str = "0.1", owns: str = ""
) -> Path:
    """Write the dist-info of a distribution whose entry point has this value."""
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    )
    (info / "entry_points.txt").write_text(
        f"[{extension_registry.GROUP}]\n{distribution} = {value}\n"
    )
    record = [f"{owns or value}/__init__.py,,", f"{info.name}/METADATA,,", f"{info.name}/RECORD,,"]
    (info / "RECORD").write_text("\n".join(record) + "\n")
    return info


def install(
    folder: Path, files: dict[str, str] = MY_LAB, name: str = "my_lab", **facts: str
) -> Path:
    """Write a package and its dist-info; return the folder of the package."""
    declare(folder, name, **facts)
    return write(folder, files, name)


@contextlib.contextmanager
def on_path(*folders: Path) -> Iterator[None]:
    """Let these folders be where packages are installed; afterwards nothing of them is known."""
    variables = {
        key: value for key, value in os.environ.items() if key != extension_registry.VARIABLE
    }
    before = set(sys.modules)
    with (
        mock.patch.object(sys, "path", [*map(str, folders), *sys.path]),
        mock.patch.dict(os.environ, variables, clear=True),
    ):
        forget()
        try:
            yield
        finally:
            for name in set(sys.modules) - before:
                file = str(getattr(sys.modules[name], "__file__", None) or "")
                if "pytest-" in file:  # of a temporary folder
                    del sys.modules[name]
    forget()


def forget() -> None:
    """Empty what this process remembers of packages."""
    importlib.invalidate_caches()
    for stored in (
        definition._names,
        signature.signature_of,
        extension_registry._of_flag,
        extension_registry._installed,
    ):
        stored.cache_clear()
    extension_registry._warned.clear()
    extension_registry.activate_names([])


def mistake(overrides: list[str], **flags: bool) -> tuple[int, str]:
    """Return the exit code and the text of what is wrong with these overrides."""
    try:
        check(compose_config(overrides), **flags)
    except UserError as error:
        return error.exit_code, str(error)
    raise AssertionError(f"nothing is wrong with {overrides}")
