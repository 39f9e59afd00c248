"""The TensorBoard logger: metrics by step, sample translations as text, pictures, and config and result."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seq2seq_lab.errors import one_line
from seq2seq_lab.extras import install_line, is_installed


class TensorBoardRun(Logger):
    """Writes event files under <run_dir>/tensorboard; `tensorboard --logdir outputs` shows all runs side by side.

    Needs the extra `tensorboard`. A logger that fails or is missing costs one line on stderr and nothing else.
    """

    def __init__(self, flush_seconds: int = 30):
        super().__init__()
        if flush_seconds < 1:
            raise ValueError(f"flush_seconds={flush_seconds}: must be >= 1")
        self.flush_seconds = flush_seconds
        self._writer: Any = None
        self._step = 0

    @property
    def name(self) -> str:
        """A name for Lightning; files lie in the run folder itself."""
        return ""

    @property
    def version(self) -> str:
        """A version for Lightning; files lie in the run folder itself."""
        return ""

    def _write(self, call: Callable[[], object]) -> None:
        """Make a call that may fail; after a failure nothing more is written."""
        if self._writer is None:
            return
        try:
            call()
        except Exception as error:  # a lost picture must not lose the run
            sys.stderr.write(
                f"TensorBoard: not logged, the run continues without it ({one_line(error)})\n"
            )
            self._writer = None

    @rank_zero_only
    def open(self, run_dir: Path, config: dict[str, Any]) -> None:
        """Open the event file; `config` is the resolved config as plain values."""
        if not is_installed("tensorboard"):
            sys.stderr.write(
                f"TensorBoard: not installed, so nothing is written; {install_line('tensorboard')}\n"
            )
            return
        from torch.utils.tensorboard import SummaryWriter

        folder = str(Path(run_dir) / "tensorboard")
        try:
            self._writer = SummaryWriter(folder, flush_secs=self.flush_seconds)
        except OSError as error:
            sys.stderr.write(
                f"TensorBoard: cannot write {one_line(folder)}, so nothing is ({one_line(error)})\n"
            )
        self._text("config", config)

    def _text(self, name: str, content: dict[str, Any]) -> None:
        lines = json.dumps(content, ensure_ascii=False, indent=2, default=str).splitlines()
        text = "\n".join(f"    {line}" for line in lines)  # a block of code in Markdown
        self._write(lambda: self._writer.add_text(name, text, self._step))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `open` writes the config."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Write one number each."""
        self._step = self._step if step is None else step
        for name, value in metrics.items():
            self._write(lambda n=name, v=value: self._writer.add_scalar(n, float(v), self._step))  # type: ignore[misc]

    @rank_zero_only
    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write a table as Markdown text."""
        lines = [columns, ["---"] * len(columns), *rows]
        text = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        self._write(lambda: self._writer.add_text(name, text, self._step))

    @rank_zero_only
    def log_image(self, name: str, path: Path) -> None:
        """Write a picture."""
        self._write(
            lambda: self._writer.add_image(name, _pixels(path), self._step, dataformats="HWC")
        )

    @rank_zero_only
    def log_summary(self, numbers: dict[str, float]) -> None:
        """Write the final numbers of the run as text."""
        self._text("result", numbers)

    @rank_zero_only
    def close(self, status: str = "failed") -> None:  # noqa: ARG002
        """Write what is left. Lightning's `finalize` comes after every fit and test, so it is not this."""
        self._write(lambda: self._writer.close())
        self._writer = None


def _cell(value: Any) -> str:
    """Return a value as it stands in one cell of a Markdown table: no HTML, no new column or row."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    for old, new in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;"), ("\n", " ")):
        text = text.replace(old, new)
    return text


def _pixels(path: Path) -> Any:
    """Return a picture as an array (height, width, 3)."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
