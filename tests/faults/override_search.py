"""A search for command lines and YAML edits that end in anything but a run or one line with a documented code.

`generate` and `generate_edits` are functions of their seed. `outcome` carries one case out in a forked child of this
process, in a folder of its own, with limits on time and memory; `carry_out` runs many, some at a time.
"""

import contextlib
import gc
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import seq2seq_lab
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose, compose_config, conf_dir
from seq2seq_lab.config.keys import leaves, walk
from seq2seq_lab.config.launch import launch
from support import composition_memo

BASE = (
    "debug=tiny", "data=copy", "training/logger=csv", "training.trainer.max_steps=2", "data.vocab_size=6",
    "data.min_length=1", "data.max_length=5", "data.corpus.num_train=24", "data.corpus.num_val=6",
    "data.corpus.num_test=6", "data.batching.batch_size=8", "model.dim=8", "model.embedding_dim=8",
    "training.trainer.accelerator=cpu", "torch_threads=1", "training.callback.exposure_bias.num_pairs=4",
    "training.callback.exposure_bias.every_n_epochs=0", "training.callback.attention_maps.num_maps=1",
    "training.callback.samples.num_samples=2",
)  # fmt: skip
DRAWING = ("training.callback.attention_maps", "training.callback.exposure_bias")
"""Left out of a run whose overrides do not name them: pictures take half of its time."""
CODES = (0, 2, 3, 4, 5, 6, 7, 8)
_PACKAGE = Path(seq2seq_lab.__file__ or "").parent
SECONDS, BYTES = 60, 3 << 30
VALUES = (
    "null", "true", "false", "0", "-1", "1", "2", "3", "0.0", "1.0", "0.5", "-0.5", "1e-320", "1e20", "1e308", "inf",
    "-inf", "nan", "999999999999", "-999999999999", "1000000", "99999999999999999999999", "''", "' '", "abc", "'1'",
    "[]", "[1]", "[null]", "[[[]]]", "{}", "{a:1}", "{_target_:os.system}", "???", "'???'", "'é 中 \u202e'", "'\x07'",
    "'\x1b[31m'", "'a\nb'", "'\"'", "'it\\'s'", "'%s%d{}'", "'../../evil'", "../../evil", "'/'", "'x/../../evil'",
    "'~'",
    "${seed}", "${model.dim}", "${nothing}", "${model}", "${training.trainer}", "${oc.env:HOME}", "${now:%Y}",
    "'${'", "${hydra:job.name}", "yes", "1_0", "0x10", "1e3", "auto", "max", "min", "val/bleu", "val/blue", "cpu",
    "gpu", "'a,b'", "a,b", "range(1,3)", "choice(1,2)", "str(1)", "int(x)", "-0", "+1", "1:30", "2026-01-01",
)  # fmt: skip
TARGETS = (
    "seq2seq_lab.model.cell.GruCell", "seq2seq_lab.data.tokenizer.word.WordTokenizer",
    "seq2seq_lab.decoding.greedy.Greedy",
    "seq2seq_lab.training.loss.TokenCrossEntropy", "seq2seq_lab.data.synthetic.Copy", "torch.optim.Adam",
    "pytorch_lightning.Trainer", "pytorch_lightning.callbacks.EarlyStopping", "builtins.open", "os.system",
)  # fmt: skip
TRAINER = (
    "precision=16-mixed", "precision=bf16-mixed", "precision=bf16-true", "precision=16-true", "precision=64-true",
    "accelerator=gpu", "accelerator=mps", "accelerator=tpu", "val_check_interval=0", "val_check_interval=999",
    "overfit_batches=1", "enable_checkpointing=false", "limit_val_batches=0", "limit_train_batches=0", "max_time=x",
    "max_time='-1:00:00:00'", "max_epochs=-1", "fast_dev_run=true", "detect_anomaly=true", "profiler=simple",
    "sync_batchnorm=true", "barebones=true", "inference_mode=false", "reload_dataloaders_every_n_epochs=1",
    "num_sanity_val_steps=2", "devices=0", "devices=-1", "devices=a", "strategy=foo", "strategy=ddp",
    "logger=true", "callbacks=[]", "plugins=[]", "num_nodes=2", "limit_test_batches=0", "val_check_interval=2",
    "default_root_dir=../../evil", "gradient_clip_algorithm=value", "benchmark=true", "model_registry=x",
    "enable_progress_bar=false", "max_steps=0", "min_epochs=5", "min_steps=5", "check_val_every_n_epoch=null",
    "use_distributed_sampler=true", "enable_model_summary=true", "enable_autolog_hparams=false",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What one case left: `wrong` names what breaks the contract."""

    case: tuple[str, ...]
    code: int
    errors: tuple[str, ...]
    text: str
    files_outside: tuple[str, ...]
    seconds: float

    @property
    def wrong(self) -> list[str]:
        """Return every way in which the outcome breaks the contract."""
        lines = [line for line in self.errors if line.startswith("error: ")]
        found = {
            f"code {self.code}": self.code not in CODES,
            "traceback": "Traceback" in self.text,
            "bug": "bug of seq2seq-lab" in self.text,
            # of a sweep, each failed job has a line
            f"{len(lines)} error lines": self.code > 0 and len(lines) != 1 and self.code != 8,
            f"files outside: {self.files_outside}": bool(self.files_outside),
        }
        return [name for name, is_so in found.items() if is_so]


@cache
def _keys() -> tuple[tuple[str, Any], ...]:
    return tuple(leaves(compose(list(BASE))).items())


@cache
def _nodes() -> tuple[str, ...]:
    return tuple(
        p for p, item in walk(compose(list(BASE))) if isinstance(item, dict) and "_target_" in item
    )


@cache
def _options() -> dict[str, list[str]]:
    folder, groups = conf_dir(), {}
    for file in sorted(folder.rglob("*.yaml")):
        group = str(file.parent.relative_to(folder))
        if group != "." and not group.startswith("hydra") and file.name[0] != "_":
            groups.setdefault(group, []).append(file.stem)
    return groups


def _edited(word: str, rng: random.Random) -> str:
    """Return the word with one letter left out, doubled, replaced or swapped."""
    i = rng.randrange(len(word))
    letter = rng.choice("abcxyz_.1A")
    return rng.choice([
        word[:i] + word[i + 1 :], word[:i] + letter + word[i:], word[:i] + letter + word[i + 1 :],
        word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :],
    ])  # fmt: skip


def _one(rng: random.Random) -> str:
    """Return one override."""
    key, value = rng.choice(_keys())
    group = rng.choice(sorted(_options()))
    option = rng.choice(_options()[group])
    makers: list[tuple[int, Callable[[], str]]] = [
        (10, lambda: f"{key}={rng.choice(VALUES if 'devices' not in key else VALUES[:6])}"),
        (2, lambda: f"{_edited(key, rng)}={value}"),
        (1, lambda: f"~{key}"),
        (1, lambda: f"~{rng.choice([*_nodes(), *_options()])}"),
        (1, lambda: f"+{key}.{rng.choice(['x', 'dim', '_partial_'])}={rng.choice(VALUES)}"),
        (1, lambda: f"+{rng.choice(_nodes())}.{rng.choice(['x', '_recursive_', '_args_', '_convert_'])}=1"),
        (3, lambda: f"{group}={option}"),
        (1, lambda: f"{group}={_edited(option, rng)}"),
        (1, lambda: f"{rng.choice(sorted(_options()))}={option}"),
        (1, lambda: f"{group}={rng.choice(VALUES)}"),
        (1, lambda: f"{rng.choice(_nodes())}={rng.choice(VALUES)}"),
        (3, lambda: f"{rng.choice(_nodes())}._target_={rng.choice(TARGETS)}"),
        (3, lambda: f"++training.trainer.{rng.choice(TRAINER)}"),
        (1, lambda: f"hydra.{rng.choice(['run.dir', 'sweep.dir', 'output_subdir', 'verbose', 'job.name', 'mode'])}"
            f"={rng.choice(VALUES)}"),
        (1, lambda: rng.choice(VALUES) + rng.choice(["", "=", "=1"])),
    ]  # fmt: skip
    weights, functions = zip(*makers, strict=True)
    return rng.choices(functions, weights)[0]()


def generate(seed: int, count: int) -> list[list[str]]:
    """Return `count` lists of one to three overrides, 1.5 in the mean."""
    rng = random.Random(seed)
    return [[_one(rng) for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0])] for _ in range(count)]


def generate_edits(seed: int, count: int) -> list[tuple[str, str]]:
    """Return `count` pairs (file of conf/, its text after one edit)."""
    rng = random.Random(seed)
    files = [f for f in sorted(conf_dir().rglob("*.yaml")) if "hydra" not in f.parts[-3:]]
    return [
        (str(file.relative_to(conf_dir())), _edited_text(file.read_text(encoding="utf-8"), rng))
        for file in (rng.choice(files) for _ in range(count))
    ]


def _edited_text(text: str, rng: random.Random) -> str:
    lines = text.split("\n")[:-1]
    i = rng.choice([i for i, line in enumerate(lines) if line.strip()])
    line = lines[i]
    key, colon, _ = line.partition(":")
    new = rng.choice([
        [_edited(line, rng)], [], [f"{key}{colon} {rng.choice(VALUES)}"], [" " + line], [line[1:]], ["\t" + line],
        [line, line], [line + " ]"], [line + ": x"], [_edited(key, rng) + line[len(key) :]],
        [f"{key}{colon}", f"  {line}"],
    ])  # fmt: skip
    return "\n".join([*lines[:i], *new, *lines[i + 1 :], ""])


def _choosing(file: str) -> list[str]:
    """Return the override that makes a run read this file of conf/."""
    group, _, name = file.removesuffix(".yaml").rpartition("/")
    return [f"{group}={name}"] if group and name[0] != "_" else []


def warm() -> None:
    """Import and read once what every child needs; call it before any tensor is computed."""
    import torch

    for file in sorted(_PACKAGE.rglob("*.py")):
        name = ".".join(file.relative_to(_PACKAGE.parent).with_suffix("").parts)
        importlib.import_module(name.removesuffix(".__init__"))
    torch.set_num_threads(1)
    composition_memo.install()  # the groups of BASE are composed here, once
    check(compose_config(list(BASE)), with_lightning=True)
    _main()
    gc.freeze()


def carry_out(
    cases: list[list[str]] | list[tuple[str, str]], folder: Path, workers: int = 2
) -> Iterator[Outcome]:
    """Yield the outcome of every case, `workers` at a time, in the order in which they end."""
    waiting, running = list(enumerate(cases)), []
    while waiting or running:
        while waiting and len(running) < workers:
            number, case = waiting.pop(0)
            running.append(_Child(case, folder / str(number)))
        done = [child for child in running if child.has_ended()]
        running = [child for child in running if child not in done]
        yield from (child.outcome() for child in done)
        if not done:
            time.sleep(0.01)


def outcome(case: list[str] | tuple[str, str], folder: Path) -> Outcome:
    """Carry out one case: overrides, or (file of conf/, its text)."""
    return next(carry_out([case], folder, 1))  # type: ignore[arg-type]


class _Child:
    """A forked process that carries out one case in `folder`/a/work."""

    def __init__(self, case: list[str] | tuple[str, str], folder: Path) -> None:
        self.folder, self.work, self.conf = folder, folder / "a" / "work", None
        self.work.mkdir(parents=True)
        self.case = tuple(case)
        drawing = [f"{key}=null" for key in DRAWING if not any(key in text for text in case)]
        self.overrides = [*BASE, *drawing, *case]
        if isinstance(case, tuple):
            self.conf = folder / "conf"
            shutil.copytree(conf_dir(), self.conf)
            (self.conf / case[0]).write_text(case[1], encoding="utf-8")
            self.overrides = [*BASE, *_choosing(case[0])]
        self.before, self.started = set(folder.rglob("*")), time.monotonic()
        self.err, self.status = folder.with_suffix(".err"), 0
        self.pid = os.fork()
        if self.pid == 0:
            self._run()

    def _run(self) -> None:
        code = 99
        try:
            with self.err.open("wb") as err, self.err.with_suffix(".out").open("wb") as out:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
            sys.stdout = os.fdopen(1, "w", encoding="utf-8")
            sys.stderr = os.fdopen(2, "w", encoding="utf-8")
            os.chdir(self.work)
            os.setsid()
            own = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (own + BYTES, own + BYTES))
            sys.argv = ["train.py", *self.overrides]
            code = launch(_main(), self.conf)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def has_ended(self) -> bool:
        """Tell whether the process is gone; one that takes too long is killed."""
        if time.monotonic() - self.started > SECONDS:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        pid, self.status = os.waitpid(self.pid, os.WNOHANG)
        return pid != 0

    def outcome(self) -> Outcome:
        """Return what the process left, and remove its folder."""
        seconds = time.monotonic() - self.started
        text = self.err.read_text(encoding="utf-8", errors="replace")
        named = [o for o in self.overrides if "_dir=" in o or o.startswith("resume=")]
        chosen = [o.partition("=")[2].strip("'").replace("\\'", "'") for o in named]
        chosen = [text.replace("${hydra:job.name}", "train") for text in chosen]
        places = [place for place in ("outputs", *chosen) if "\n" not in place]
        roots = [(self.work / place).resolve() for place in places]
        new = [p for p in self.folder.rglob("*") if p not in self.before and p.is_file()]
        outside = tuple(
            str(p.relative_to(self.folder))
            for p in new
            if not any(p.resolve().is_relative_to(r) for r in roots)
        )
        shutil.rmtree(self.folder, ignore_errors=True)
        code = os.waitstatus_to_exitcode(self.status)
        return Outcome(self.case, code, tuple(text.split("\n")), text, outside, seconds)


@cache
def _main() -> Callable[..., Any]:
    from seq2seq_lab.commands.train import main

    return main
