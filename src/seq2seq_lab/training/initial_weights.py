"""The weights that training begins with: parts of a trained model, word vectors, and what is frozen.

A vocabulary may differ from that of the other model: rows of an embedding or output layer belong to tokens, and go to
the same token here. Whatever was asked for and does not fit is refused, so that no part is left at random in silence.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.config.build import build
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.errors import ConfigError, one_line
from seq2seq_lab.inference.hub import is_address
from seq2seq_lab.inference.stored_parts import read_tokenizer
from seq2seq_lab.inference.trained import read_model
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS
from seq2seq_lab.training.word_vectors import read_vectors

_KEY = "training.initial_weights"
Tokenizers = tuple[Tokenizer, Tokenizer]
Facts = dict[str, Any]


def begin(config: dict[str, Any], model: nn.Module, data: Any) -> dict[str, Any]:
    """Give the model the weights that the config names, and return what was done, for the manifest.

    `data` is the data module that has the tokenizers. A resumed run takes the weights of its checkpoint afterwards.
    """
    weights = build(config["training"].get("initial_weights"))
    if weights is None:
        return {}
    facts = weights.give(model, (data.source_tokenizer, data.target_tokenizer))
    return {"initial_weights": {**facts, "frozen": weights.freeze(model)}}


class InitialWeights:
    """Weights of `checkpoint` for the named `parts` (null: all), then word vectors; `frozen` parts are not trained.

    Parts are modules by name, as in `encoder.embedding`. Raises `ConfigError` for a path that is not there.
    """

    def __init__(
        self,
        *,
        checkpoint: str | None = None,
        parts: list[str] | None = None,
        source_vectors: str | None = None,
        target_vectors: str | None = None,
        frozen: list[str] | None = None,
    ):
        given = {"checkpoint": checkpoint, "source_vectors": source_vectors}
        for name, path in {**given, "target_vectors": target_vectors}.items():
            if path is not None and not is_address(path) and not Path(path).exists():
                raise ConfigError(f"{_KEY}.{name}={path}: no such file or folder")
        if parts is not None and checkpoint is None:
            raise ConfigError(f"{_KEY}.parts: parts of what? Give {_KEY}.checkpoint=RUN as well")
        self.checkpoint, self.parts, self.frozen = checkpoint, parts or [""], frozen or []
        self.vectors = {"source": source_vectors, "target": target_vectors}

    def give(self, model: nn.Module, tokenizers: Tokenizers) -> Facts:
        """Put the weights into the model and return what was taken, for the manifest."""
        facts: Facts = {}
        if self.checkpoint is not None:
            facts["checkpoint"] = self._from_checkpoint(model, tokenizers)
        for side, tokenizer in zip(("source", "target"), tokenizers, strict=True):
            path = self.vectors[side]
            if path is not None:
                facts[f"{side}_vectors"] = _from_vectors(model, side, tokenizer, Path(path))
        return facts

    def freeze(self, model: nn.Module) -> list[str]:
        """Exclude the frozen parts from training, and return the names of their parameters."""
        # a tied weight has several names, and is frozen by each of them
        parameters = dict(model.named_parameters(remove_duplicate=False))
        names = _of_parts(list(parameters), self.frozen, "frozen")
        for name in names:
            parameters[name].requires_grad = False
        if not any(one.requires_grad for one in parameters.values()):
            raise ConfigError(f"{_KEY}.frozen={self.frozen}: nothing is left to train")
        return names

    @torch.no_grad()
    def _from_checkpoint(self, model: nn.Module, tokenizers: Tokenizers) -> Facts:
        path = str(self.checkpoint)
        stored, own = read_model(path), model.state_dict()
        wanted = _of_parts(list(own), self.parts, "parts")
        rows = {
            side: _rows(tokenizer, read_tokenizer(stored, side, path))
            for side, tokenizer in zip(("source", "target"), tokenizers, strict=True)
        }
        misfits = []
        for name in wanted:
            side, theirs = _side(name), stored.weights.get(name)
            if theirs is None:
                misfits.append(f"{name} (it has none)")
            elif side is not None and own[name].shape[1:] == theirs.shape[1:]:
                here, there = rows[side]
                own[name][here] = theirs[there].to(own[name])
            elif side is None and own[name].shape == theirs.shape:
                own[name].copy_(theirs)
            else:
                misfits.append(f"{name} ({tuple(theirs.shape)}, here {tuple(own[name].shape)})")
        if misfits:
            more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
            raise ConfigError(
                f"{_KEY}.checkpoint={path}: does not fit this model: {', '.join(misfits[:3])}{more}; name the "
                f"parts that do, as in {_KEY}.parts=[encoder], or make the model like it"
            )
        found = {side: len(here) for side, (here, _) in rows.items()}
        return {"path": path, "tensors": len(wanted), "tokens_in_both_vocabularies": found}


def _of_parts(names: Sequence[str], parts: Sequence[str], key: str) -> list[str]:
    """Return the names inside these modules; `ConfigError` for one that has none."""
    found: list[str] = []
    for part in parts:
        inside = [name for name in names if not part or name == part or name.startswith(f"{part}.")]
        if not inside:
            tops = sorted({".".join(name.split(".")[:2]) for name in names})
            raise ConfigError(
                f"{_KEY}.{key}: the model has no part {one_line(part)!r}; it has {', '.join(tops)}"
            )
        found += [name for name in inside if name not in found]
    return found


def _side(name: str) -> str | None:
    """Return whose tokens the rows of a weight belong to, or None."""
    if name.endswith("embedding.lookup.weight"):
        return "source" if name.startswith("encoder.") else "target"
    return "target" if name in ("decoder.output.weight", "decoder.output.bias") else None


def _rows(own: Tokenizer, other: Tokenizer) -> tuple[Tensor, Tensor]:
    """Return the ids of the tokens that both vocabularies have, here and there; the special tokens come first."""
    if own.fingerprint() == other.fingerprint():
        every = torch.arange(len(own))
        return every, every
    here, there = _ids_by_text(own), _ids_by_text(other)
    both = [(i, i) for i in range(NUM_SPECIAL_TOKENS)]
    both += [(i, there[text]) for text, i in here.items() if text in there]
    rows = torch.tensor(both)
    return rows[:, 0], rows[:, 1]


def _ids_by_text(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the ids of the tokens whose text no other token has: parts of a character, and features, may share one."""
    texts = [tokenizer.token(i) for i in range(NUM_SPECIAL_TOKENS, len(tokenizer))]
    counts = Counter(texts)
    return {text: i for i, text in enumerate(texts, NUM_SPECIAL_TOKENS) if counts[text] == 1}


@torch.no_grad()
def _from_vectors(model: nn.Module, side: str, tokenizer: Tokenizer, path: Path) -> Facts:
    """Put the vectors of a file into the embedding of one side; `ConfigError` unless one of its words is known."""
    half: Any = model.encoder if side == "source" else model.decoder
    embedding = getattr(half, "embedding", None)
    key = f"{_KEY}.{side}_vectors={path}"
    if embedding is None or not hasattr(embedding, "lookup"):
        raise ConfigError(f"{key}: this {'en' if side == 'source' else 'de'}coder has no embedding")
    weight = embedding.lookup.weight
    ids = _ids_by_text(tokenizer)
    found = read_vectors(path, ids.keys(), weight.shape[1])
    if not found:
        raise ConfigError(
            f"{key}: none of its words is in the {side} vocabulary; choose the file of its language"
        )
    for word, vector in found.items():
        weight[ids[word]] = torch.from_numpy(vector).to(weight)
    return {"path": str(path), "tokens": [len(found), len(tokenizer) - NUM_SPECIAL_TOKENS]}
