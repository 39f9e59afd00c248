"""Hostile artefacts: pickles that call, archives that climb or swell, configs and YAML that ask for foreign code."""

import copy
import gzip
import importlib
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.files import write_sidecar
from seq2seq_lab.inference.stored_model import make_folder, write_export, write_manifest
from seq2seq_lab.inference.trained import read_model
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO

SECRET = "fault-battery-5e7c2e1d"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"


class _Call:
    """Unpickled, it calls a function."""

    def __init__(self, dotted: str, *arguments: Any):
        module, _, name = dotted.rpartition(".")
        self.function, self.arguments = getattr(importlib.import_module(module), name), arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


CALLS: dict[str, Callable[[str], tuple[Any, ...]]] = {
    "os.system": lambda c: (f"touch {c}",),
    "builtins.eval": lambda c: (f"open({c!r}, 'w')",),
    "builtins.exec": lambda c: (f"open({c!r}, 'w')",),
    "builtins.open": lambda c: (c, "w"),
    "subprocess.Popen": lambda c: (["touch", c],),
    "subprocess.check_output": lambda c: (["touch", c],),
    "os.mkdir": lambda c: (c,),
    "shutil.copy": lambda c: ("/etc/hostname", c),
    "os.symlink": lambda c: ("/etc/hostname", c),
    "pickle.loads": lambda c: (pickle.dumps(_Call("os.mkdir", c)),),
    "torch.load": lambda c: (io.BytesIO(pickle.dumps(_Call("os.mkdir", c))),),
    "torch.save": lambda c: (torch.zeros(1), c),
    "importlib.import_module": lambda c: ("antigravity",),
    "runpy.run_path": lambda c: (c + ".py",),
}


def _in_a_zip(bomb: Any, path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}, "seq2seq_lab": bomb}, path)


def _legacy(bomb: Any, path: Path) -> None:
    torch.save({"seq2seq_lab": bomb}, path, _use_new_zipfile_serialization=False)


def _bare(bomb: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps({"seq2seq_lab": bomb}, 2))


def _in_a_tar(bomb: Any, path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in (("sys_info", {}), ("pickle", bomb), ("storages", 0), ("tensors", 0)):
            data = pickle.dumps(content, 2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


FORMS = {"zip": _in_a_zip, "legacy": _legacy, "bare": _bare, "tar": _in_a_tar}


def pickled(call: str, form: str, canary: Path, path: Path, *, beside: bool) -> None:
    """Write a checkpoint that calls; `beside` adds a right checksum file."""
    FORMS[form](_Call(call, *CALLS[call](str(canary))), path)
    if beside:
        write_sidecar(path, step=7)


def archive(kind: str, canary: Path, path: Path) -> None:
    """Write an archive that climbs out of its folder, holds another, or swells."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        if kind == "path traversal":
            pack.writestr(f"../../../../../..{canary}", "x")
            pack.writestr(str(canary), "x")
        elif kind == "nested":
            inner = io.BytesIO()
            torch.save(_Call("os.mkdir", str(canary)), inner)
            pack.writestr("archive/data.pkl", inner.getvalue())
            pack.writestr("archive/version", "3")
        else:
            with pack.open("archive/data.pkl", "w", force_zip64=True) as file:
                for _ in range(4096):
                    file.write(bytes(1 << 20))
            pack.writestr("archive/version", "3")


def _walk(node: Any, key: str, value: Any) -> bool:
    """Set the first key of this name that is found below."""
    if isinstance(node, dict):
        if key in node:
            node[key] = value
            return True
        return any(_walk(child, key, value) for child in node.values())
    return False


def rewritten(good: Path, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Store a good checkpoint whose contents were changed, as our own code would: whole, with a right checksum."""
    state = torch.load(good, weights_only=True)
    contents = copy.deepcopy(state.pop("seq2seq_lab"))
    change(contents)
    AtomicCheckpointIO(contents).save_checkpoint(state, path)


CHANGES: dict[str, Callable[[dict[str, Any], str], object]] = {
    "foreign model": lambda c, x: c["config"]["model"].update({"_target_": "os.mkdir", "path": x}),
    "foreign part": lambda c, x: _walk(c["config"]["model"]["decoder"], "_target_", "builtins.exec"),
    "foreign search": lambda c, x: c["config"]["decoding"].update({"_target_": "os.mkdir", "path": x}),
    "foreign argument": lambda c, x: c["config"]["model"].update({"extra": {"_target_": "os.mkdir", "path": x}}),
    "list of calls": lambda c, x: c["config"]["model"].update({"extra": [{"_target_": "os.mkdir", "path": x}]}),
    "tokenizer": lambda c, x: c.update({"source_tokenizer": json.dumps({"_target_": "os.system"})}),
    "tokenizer garbage": lambda c, x: c.update({"source_tokenizer": "[" * 100_000}),
    "tokenizer escapes": lambda c, x: c.update({"source_tokenizer": json.dumps({ESCAPE: ESCAPE})}),
    "secret in the search": lambda c, x: c["config"]["decoding"].update({"note": "${oc.env:SECRET}"}),
    "secret in the name": lambda c, x: c["config"].update({"name": "${oc.env:SECRET}"}),
}  # fmt: skip
"""What is changed in the contents of a checkpoint or export; `x` is the canary."""


def export_of(good: Path, folder: Path, change: str, canary: Path) -> None:
    """Write an export with this change and a right manifest."""
    stored = read_model(good)
    contents = {
        "config": copy.deepcopy(stored.config),
        "source_tokenizer": stored.source_tokenizer,
    }
    CHANGES[change](contents, str(canary))
    make_folder(folder)
    write_export(folder, stored)
    facts = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**facts, "config": contents["config"]}))
    (folder / "source_tokenizer.json").write_text(contents["source_tokenizer"])
    shutil.move(folder / "export.json", folder / "old.json")
    names = tuple(json.loads((folder / "old.json").read_text())["files"])
    (folder / "old.json").unlink()
    write_manifest(folder, names)


YAML = {
    "python tag": "model:\n  dim: !!python/object/apply:os.system ['touch @']\n",
    "python name": "name: !!python/name:os.system\n",
    "alias bomb": "a0: &a0 [x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
    "foreign target": "training:\n  loss:\n    _target_: builtins.open\n    file: '@'\n    mode: w\n",
    "secret": "name: x-${oc.env:SECRET}\n",
    "secret in a default": "name: x-${oc.env:NOTHING,${oc.env:SECRET}}\n",
    "decoded secret": "name: x-${oc.decode:${oc.env:SECRET}}\n",
    "a callback of Hydra": "hydra:\n  callbacks:\n    a:\n      _target_: os.mkdir\n      path: '@'\n",
    "a launcher of Hydra": "hydra:\n  launcher:\n    _target_: os.mkdir\n    path: '@'\n",
    "terminal escapes": 'name: "\\e[31mred"\nmodle: {"\\e[31m": 1}\n',
}  # fmt: skip
"""Experiments of a foreign --config-dir; @ is the canary."""


def bombs(folder: Path) -> None:
    """Write data files that swell or hold terminal escapes."""
    with gzip.open(folder / "bomb.tsv.gz", "wb", compresslevel=1) as file:
        for _ in range(3 << 10):
            file.write(bytes(1 << 20))
    with gzip.open(folder / "lines.tsv.gz", "wb", compresslevel=1) as file:
        for _ in range(400):
            file.write(b"a" * (1 << 20))
    (folder / "escapes.tsv").write_text(
        "".join(f"a{i % 9} {ESCAPE} b\tx{i % 7} {ESCAPE}\n" for i in range(60))
    )
