"""What loggers share that send a run as messages: one method for each kind of content."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seq2seq_lab.metrics.table import lower_is_better


class MessageLogger(Logger):
    """Turns what callbacks log into messages, {"do": ..., the arguments by name}; a subclass sends them."""

    def __init__(self) -> None:
        super().__init__()
        self._step, self._num_rows = 0, 0
        self._defined: set[str] = set()

    @abstractmethod
    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""

    @abstractmethod
    def copied(self, name: str, picture: Path) -> Path | None:
        """Return a copy of a picture as it is now; None where it cannot be sent."""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `open` sends the config."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Send one row."""
        self._step = self._step if step is None else step
        numbers = {name: float(value) for name, value in metrics.items()}
        for name in numbers:
            if name.startswith("val/") and name not in self._defined:
                self._defined.add(name)
                best = "min" if lower_is_better(name) else "max"
                self.send({"do": "define", "name": name, "summary": best})
        self._num_rows += 1
        self.send({"do": "log", "metrics": {**numbers, "step": self._step}})

    def _content(self, what: str, name: str, **content: Any) -> None:
        self.send({"do": what, "name": name, "step": self._step, **content})

    @rank_zero_only
    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Send a table, such as sample translations."""
        self._content("table", name, columns=list(columns), rows=[list(row) for row in rows])

    @rank_zero_only
    def log_hypotheses(
        self, split: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Send all hypotheses of a split."""
        rows = [list(row) for row in rows]
        name = f"{split}/hypotheses"
        self._content("hypotheses", name, split=split, columns=list(columns), rows=rows)

    @rank_zero_only
    def log_image(self, name: str, path: Path) -> None:
        """Send a picture as it is now; its writer may write it again at once."""
        copy = self.copied(name, Path(path))
        if copy is not None:
            self._content("image", name, path=str(copy))

    @rank_zero_only
    def log_attention(
        self,
        name: str,
        weights: Sequence[Sequence[float]],
        source_tokens: Sequence[str],
        target_tokens: Sequence[str],
        title: str,
    ) -> None:
        """Send the attention of one sentence: one row of weights for each target token."""
        tokens = {"source_tokens": list(source_tokens), "target_tokens": list(target_tokens)}
        rows = [list(row) for row in weights]
        self._content("attention", name, weights=rows, title=title, **tokens)

    @rank_zero_only
    def log_curves(
        self,
        name: str,
        x: Sequence[int],
        lines: Mapping[str, Sequence[float | None]],
        title: str,
        x_label: str,
    ) -> None:
        """Send curves as data: {label: y values} over the same x values; None where a curve has no value."""
        ys = {label: list(values) for label, values in lines.items()}
        self._content("curves", name, x=list(x), lines=ys, title=title, x_label=x_label)

    @rank_zero_only
    def log_artifact(
        self,
        name: str,
        type: str,
        files: Sequence[str | Path] = (),
        texts: dict[str, str] | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        uses: bool = False,
    ) -> None:
        """Send files by reference and texts by content, as what the run made or, with `uses`, used."""
        content = {"files": [str(file) for file in files], "texts": dict(texts or {})}
        facts = {"metadata": dict(metadata or {}), "uses": uses}
        self._content("artifact", name, type=type, **content, **facts)

    @rank_zero_only
    def log_summary(self, numbers: dict[str, float]) -> None:
        """Set the final numbers of the run."""
        self.send({"do": "summary", "numbers": dict(numbers)})

    @rank_zero_only
    def alert(self, title: str, text: str) -> None:
        """Tell the user that something is wrong with the run."""
        self.send({"do": "alert", "title": title, "text": text})
