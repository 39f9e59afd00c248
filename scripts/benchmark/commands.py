"""The command lines whose speed is compared: ours and those of installed peers, for the same work.

Every command trains one model of the sizes of `work` on the same two text files and tells its own speed in its own
log, where `Command.read` finds it. Peers live in environments of their own and are driven by their own programs.
"""

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.work import BATCH, DIM, DROPOUT, EMBEDDING
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.files import write_text
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS, UNK

Read = Callable[[Path], list[float]]
"""From the folder of a running command: target tokens per second of each log line so far."""
UNENDING = 10**6


@dataclass(frozen=True)
class Command:
    """A program that trains until it is stopped. `{every}` in its words is the number of steps per log line."""

    name: str
    words: tuple[str, ...]
    read: Read
    files: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def write_work(folder: Path, pairs: EncodedPairs) -> None:
    """Write the pairs as two text files of numbered words, with the vocabularies that the peers want beside them."""
    for side, sentences in (("source", pairs.sources), ("target", pairs.targets)):
        rows = [ids.tolist() for ids in sentences.ids.split(sentences.lengths.tolist())]
        lines = [
            " ".join(f"{side[0]}{one}" for one in row if one >= NUM_SPECIAL_TOKENS or one == UNK)
            for row in rows
        ]
        count = Counter(word for line in lines for word in line.split())
        words = sorted(count, key=lambda word: (-count[word], word))
        write_text(folder / f"text.{side}", "\n".join(lines) + "\n")
        write_text(folder / f"few.{side}", "\n".join(lines[:100]) + "\n")
        write_text(folder / f"onmt.{side}", "\n".join(words) + "\n")
        write_text(folder / f"joey.{side}", "\n".join(["<unk>", "<pad>", "<s>", "</s>", *words]))


def work_overrides(text: Path) -> list[str]:
    """Return the overrides that make train.py do the work; the model is `lstm_attn` of its sizes."""
    both = ",".join(str(text / f"text.{side}") for side in ("source", "target"))
    few = ",".join(str(text / f"few.{side}") for side in ("source", "target"))
    return [
        "model=lstm_attn", "data=text_files", "data/tokenizer=word",
        f"data.train=[{both}]", f"data.val=[{few}]", f"data.test=[{few}]",
        f"data.batching.batch_size={BATCH}", f"model.dim={DIM}", f"model.embedding_dim={EMBEDDING}",
        f"model.dropout={DROPOUT}", "model.encoder.bidirectional=true", "training.optimizer.lr=1e-3",
        f"training.trainer.max_epochs={UNENDING}",
    ]  # fmt: skip


def ours(name: str, train: Path, text: Path, *overrides: str) -> Command:
    """Return `train.py` for one model."""
    every = (
        "training.trainer.log_every_n_steps={every}",
        "+training.callback.throughput.window={every}",
    )
    words = (sys.executable, str(train), *work_overrides(text), *every, "run_dir=run", *overrides)
    return Command(name, words, read_ours)


def read_ours(folder: Path) -> list[float]:
    """Read `train/tokens_per_second` from metrics.csv."""
    path = folder / "run" / "metrics.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        found = [row.get("train/tokens_per_second") for row in csv.DictReader(file)]
    return [float(speed) for speed in found if speed]


def joeynmt(python: Path, text: Path, attention: str) -> Command:
    """Return joeynmt with input feeding (its own field names)."""

    def side(language: str, which: str) -> dict:
        return {
            "lang": language, "level": "word", "lowercase": False, "max_length": 100,
            "voc_file": str(text / f"joey.{which}"),
        }  # fmt: skip

    embeddings = {"embedding_dim": EMBEDDING, "dropout": DROPOUT}
    layer = {"type": "recurrent", "rnn_type": "lstm", "embeddings": embeddings, "num_layers": 1}
    config = {
        "name": "speed", "joeynmt_version": "2.3.0", "model_dir": "model", "use_cuda": False,
        "fp16": False, "random_seed": 1, "num_workers": 0,
        "data": {
            "train": str(text / "text"), "dev": str(text / "few"), "test": str(text / "few"),
            "dataset_type": "plain", "src": side("source", "source"), "trg": side("target", "target"),
            "special_symbols": {
                "unk_token": "<unk>", "unk_id": 0, "pad_token": "<pad>", "pad_id": 1,
                "bos_token": "<s>", "bos_id": 2, "eos_token": "</s>", "eos_id": 3,
            },
        },
        "testing": {"beam_size": 5, "beam_alpha": 1.0, "max_output_length": 50, "eval_metrics": ["bleu"]},
        "training": {
            "optimizer": "adam", "learning_rate": 1e-3, "clip_grad_norm": 1.0, "normalization": "tokens",
            "loss": "crossentropy", "batch_size": BATCH, "batch_type": "sentence",
            "scheduling": "exponential", "decrease_factor": 0.999, "epochs": UNENDING,
            "early_stopping_metric": "loss",
            "updates": UNENDING, "validation_freq": UNENDING, "logging_freq": "{every}", "overwrite": True,
        },
        "model": {
            "initializer": "xavier_uniform", "tied_embeddings": False, "tied_softmax": False,
            "encoder": layer | {"hidden_size": DIM // 2, "bidirectional": True, "dropout": DROPOUT},
            "decoder": layer | {
                "hidden_size": DIM, "dropout": DROPOUT, "hidden_dropout": DROPOUT,
                "input_feeding": True, "init_hidden": "bridge", "attention": attention,
            },
        },
    }  # fmt: skip
    text_of_config = json.dumps(config).replace('"{every}"', "{every}")  # YAML reads JSON
    return Command(
        f"joeynmt, input feeding, {attention}",
        (str(python), "-m", "joeynmt", "train", "joey.yaml"),
        lambda folder: read_log(folder, r"Tokens per Sec:\s*([\d.]+)"),
        {"joey.yaml": text_of_config},
    )


def open_nmt(python: Path, text: Path, score: str, *, input_feeding: bool) -> Command:
    """Return OpenNMT-py with one kind of attention."""
    config = {
        "src_vocab": str(text / "onmt.source"), "tgt_vocab": str(text / "onmt.target"),
        "data": {"corpus": {"path_src": str(text / "text.source"), "path_tgt": str(text / "text.target")}},
        "save_model": "model", "save_checkpoint_steps": UNENDING, "train_steps": UNENDING,
        "report_every": "{every}", "seed": 1, "encoder_type": "brnn", "decoder_type": "rnn",
        "rnn_type": "LSTM", "input_feed": int(input_feeding), "global_attention": score,
        "enc_layers": 1, "dec_layers": 1, "word_vec_size": EMBEDDING, "hidden_size": DIM,
        "enc_hid_size": DIM, "dec_hid_size": DIM, "dropout": [DROPOUT], "batch_size": BATCH,
        "batch_type": "sents", "normalization": "tokens", "optim": "adam", "learning_rate": 1e-3,
        "max_grad_norm": 1.0, "bucket_size": 29000, "num_workers": 0, "share_vocab": False,
    }  # fmt: skip
    fed = "input feeding" if input_feeding else "no feedback"
    return Command(
        f"OpenNMT-py, {fed}, {score}",
        (str(python), "-m", "onmt.bin.train", "-config", "onmt.yaml"),
        lambda folder: read_log(folder, r"[\d.]+/\s*([\d.]+) tok/s"),
        {"onmt.yaml": json.dumps(config).replace('"{every}"', "{every}")},
    )


def read_log(folder: Path, pattern: str) -> list[float]:
    """Read every speed that a command printed."""
    text = (folder / "log").read_text(encoding="utf-8", errors="replace")
    return [float(speed) for speed in re.findall(pattern, text)]
