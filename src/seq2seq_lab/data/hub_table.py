"""The rows of a data set in the hub's layout, at one commit: tables only, and only files of the repository itself.

`datasets` reads files and executes none: it refuses loading scripts. Beyond that, only the formats of `_FORMATS` are
read here, and a README.md that names files elsewhere (an address, a path out of the repository) is refused.
"""

import gc
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.data.hub_errors import as_errors
from seq2seq_lab.errors import ConfigError, DataError, UnsafeError, one_line
from seq2seq_lab.extras import missing_extra

_FORMATS = ("parquet", "csv", "json", "arrow")
_WHAT = "data set"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class HubTable:
    """The splits of one configuration, and where they come from."""

    name: str
    splits: tuple[str, ...]
    origin: dict[str, Any]
    builder: Any

    def rows(
        self, split: str, columns: Sequence[str], limit: int | None
    ) -> Iterator[dict[str, Any]]:
        """Yield the first rows of a split as they arrive; only the columns of these dotted names, if all are there."""
        with as_errors(self.name, DataError, _WHAT):
            stream = self.builder.as_streaming_dataset(split=split)
            known = stream.column_names or []
            chosen = {k for k in known for c in columns if c == k or c.startswith(f"{k}.")}
            if all(any(c == k or c.startswith(f"{k}.") for k in chosen) for c in columns):
                stream = stream.select_columns(sorted(chosen))
        rows = iter(stream if limit is None else stream.take(limit))
        try:
            while True:
                with as_errors(f"{self.name}, split {split}", DataError, _WHAT):
                    row = next(rows, None)
                if row is None:
                    return
                yield row
        finally:
            del rows, stream
            gc.collect()  # what is left of the stream's threads when the interpreter ends aborts it


def open_table(repository: str, config: str | None, revision: str | None) -> HubTable:
    """Open a configuration of a data set on the hub (OWNER/NAME) or of a folder; nothing but its head is read.

    A revision that is no commit is resolved to one, which is said on standard error.
    """
    missing = missing_extra("hf")
    if missing:
        raise ConfigError(f"data=hugging_face: {missing}")
    folder = Path(repository).expanduser()
    is_folder = folder.is_dir()
    if is_folder and revision is not None:
        raise ConfigError(
            f"data.revision={revision}: {repository} is a folder here, which has none; leave it out"
        )
    if not is_folder and not _NAME.fullmatch(repository):
        raise DataError(
            f"data.repository={repository}: neither a folder nor OWNER/NAME of a data set, such as wmt/wmt14"
        )
    with as_errors(repository, DataError, _WHAT):
        commit = None if is_folder else commit_of(repository, revision)
        path = str(folder.resolve()) if is_folder else repository
        builder = _builder(path, config, commit, repository)
    kind = type(builder).__module__.split(".")[-2]
    if kind not in _FORMATS:
        raise UnsafeError(
            f"{repository}: holds {kind} files, which are not read; only {', '.join(_FORMATS)} are"
        )
    root = f"{path}/" if is_folder else f"hf://datasets/{repository}@{commit}/"
    files = {str(split): list(names) for split, names in builder.config.data_files.items()}
    _refuse_elsewhere(files, root, repository)
    if kind == "csv":
        builder.config.keep_default_na = False  # `NA`, `null` and `None` are words
    origin = {"repository": folder.name if is_folder else repository, "config": builder.config.name}
    return HubTable(
        repository,
        tuple(files),
        origin | ({} if is_folder else {"commit": commit}),
        builder,
    )


def commit_of(repository: str, revision: str | None) -> str:
    """Return the commit of a revision, as the hub gives it; what was no commit is noted on standard error."""
    from huggingface_hub import HfApi

    found = HfApi(library_name="seq2seq-lab").dataset_info(repository, revision=revision)
    commit = found.sha
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise DataError(f"{repository}: the hub names no commit of {revision or 'main'}")
    if commit != revision:
        text = f"{repository} is read at {revision or 'main'}, now commit {commit}"
        print(one_line(f"note: {text}; data.revision={commit} keeps it"), file=sys.stderr)  # noqa: T201
    return commit


def _builder(path: str, config: str | None, commit: str | None, shown: str) -> Any:
    """Return what reads a configuration; a wrong or missing name is answered by those that exist."""
    import datasets
    import huggingface_hub

    huggingface_hub.utils.logging.set_verbosity_error()  # it prints every try of a request
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    names = datasets.get_dataset_config_names(path, revision=commit)
    if config is None and len(names) > 1 and "default" not in names:
        raise ConfigError(
            f"{shown}: has several configurations; set data.config to one of {_shown(names)}"
        )
    if config is not None and config not in names:
        raise ConfigError(
            f"data.config={config}: {shown} has no such configuration, only {_shown(names)}"
        )
    return datasets.load_dataset_builder(path, config, revision=commit)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:40]) + (f" ... ({len(names)})" if len(names) > 40 else "")


def _refuse_elsewhere(files: dict[str, list[str]], root: str, repository: str) -> None:
    """Refuse data files that do not lie in the repository."""
    for name in itertools.chain.from_iterable(files.values()):
        if not name.startswith(root) or ".." in name.split("/"):
            raise UnsafeError(
                f"{repository}: its README.md names a file elsewhere, {name}; it was not read"
            )
