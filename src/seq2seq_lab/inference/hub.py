"""Models on the Hugging Face hub: exported folders that are pushed to a repository and read from one by hf://USER/REPO."""

import re
import sys
from pathlib import Path

from seq2seq_lab.data.hub_errors import as_errors
from seq2seq_lab.errors import CheckpointError, ConfigError, ResourceError, UnsafeError, one_line
from seq2seq_lab.extras import install_line, is_installed
from seq2seq_lab.inference.stored_model import CARD, CONFIG, FILES, MANIFEST, is_export

_NAME = r"[\w-][\w.-]*/[\w-][\w.-]*"
_ADDRESS = re.compile(rf"hf:/{{1,2}}({_NAME})(?:@([^@\s]+))?")
_LIBRARY = "seq2seq-lab"


def is_address(path: str | Path) -> bool:
    """Tell whether this is the address of a model on the hub and no path."""
    return str(path).startswith("hf:/")


def download(address: str) -> Path:
    """Return a local copy of the model at hf://USER/REPO@REVISION: the files of an export and no others.

    Without a revision it is that of `main`; a revision that is no commit is noted with the commit that it now is.
    Raises `CheckpointError` for what cannot be found, reached or is no export of this program.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigError(f"{address}: write hf://USER/REPO or hf://USER/REPO@REVISION")
    name, revision = found.groups()
    _require_library(address)
    with as_errors(address, CheckpointError, "model"):
        from huggingface_hub import snapshot_download

        _be_quiet()
        folder = Path(
            snapshot_download(
                name, revision=revision, allow_patterns=[MANIFEST, *FILES], library_name=_LIBRARY
            )
        )
    if not is_export(folder):
        raise CheckpointError(
            f"{address}: no model that `seq2seq-lab export` wrote, it has no {MANIFEST}"
        )
    if folder.name != revision:
        text = f"note: hf://{name} is read at {revision or 'main'}, now commit {folder.name}"
        print(one_line(f"{text}; hf://{name}@{folder.name} keeps it"), file=sys.stderr)  # noqa: T201
    return folder


def check_push(name: str, *, dry_run: bool) -> None:
    """Refuse a push that cannot work, before anything is made: a wrong name, no library, no token."""
    if not re.fullmatch(_NAME, name):
        raise ConfigError(f"--push {name}: write USER/REPO")
    if dry_run:
        return
    _require_library(f"--push {name}")
    from huggingface_hub import get_token

    if not get_token():
        raise ConfigError(
            f"--push {name}: no token of the hub; set HF_TOKEN to one that may write, or run `hf auth login`"
        )


def push(folder: Path, names: tuple[str, ...], name: str, *, private: bool) -> str:
    """Upload these files of an exported folder as one commit, and return the commit.

    The repository is made if it is not there. Raises `ResourceError` for what the hub refuses, and `UnsafeError` if
    the repository is public where a private one was asked for.
    """
    refuse_private(folder)
    with as_errors(f"--push {name}", ResourceError, "repository"):
        from huggingface_hub import HfApi

        _be_quiet()
        api = HfApi(library_name=_LIBRARY)
        api.create_repo(name, private=private or None, exist_ok=True)
        if private and not api.model_info(name).private:
            raise UnsafeError(
                f"--push {name}: the repository is there and public; change that on its page, or leave out --private"
            )
        done = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            allow_patterns=list(names),
            commit_message="Model exported by seq2seq-lab",
        )
    return done.oid


def refuse_private(folder: Path) -> None:
    """Refuse a card or config that names the home or the working folder: what is pushed can be read by others."""
    places = {str(place) for place in (Path.home(), Path.cwd()) if len(place.parts) > 1}
    for name in (CARD, CONFIG):
        text = (folder / name).read_text(encoding="utf-8")
        for place in sorted(places):
            if re.search(rf"{re.escape(place)}(?![\w-])", text):
                raise UnsafeError(
                    f"{name} would publish {place}, a folder of this machine; nothing was sent: export without --push, "
                    f"change it and push it by `hf upload`"
                )


def _require_library(what: str) -> None:
    if not is_installed("huggingface_hub"):
        raise ConfigError(f"{what}: huggingface_hub is not installed; {install_line('hf')}")


def _be_quiet() -> None:
    """Leave the library its bars on a terminal only, and its log of each try of a request nowhere."""
    from huggingface_hub import utils

    utils.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
