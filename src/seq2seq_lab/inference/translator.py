"""Translation of texts by a trained model: encode, search and decode in batches of similar length."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.data.batching import Batching, BySentences
from seq2seq_lab.data.collate import pad_source
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request, Search, Step
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.unknown_tokens import unknown_pieces
from seq2seq_lab.model.intervened import Intervened, changeable
from seq2seq_lab.model.seedwise.search import SeedwiseSearchModel
from seq2seq_lab.special_tokens import BOS, EOS, SPELLINGS, UNK


@dataclass(frozen=True)
class Translation:
    """One output text.

    `truncated` says that the source was over-long and cut, `unknown_source_tokens` which of its pieces are not in the
    vocabulary. `target_ids` are the tokens without the end token,
    `token_scores` their log-probabilities, that of the end token included where it came; `score` is the sum of these
    and `rank` what the search ordered by. `attention` has a row for each of `target_tokens`, a column for each of
    `source_tokens`.
    """

    text: str
    score: float
    rank: float
    finished: bool
    truncated: bool
    source_tokens: list[str]
    unknown_source_tokens: list[str]
    target_tokens: list[str]
    target_ids: list[int]
    token_scores: list[float]
    attention: Float[Tensor, "target source"]


NOTHING = Translation(
    text="",
    score=0.0,
    rank=0.0,
    finished=True,
    truncated=False,
    source_tokens=[],
    unknown_source_tokens=[],
    target_tokens=[],
    target_ids=[],
    token_scores=[],
    attention=torch.zeros(0, 0),
)


def translation_row(
    number: int, source: str, found: list[Translation], *, with_attention: bool = False
) -> dict[str, Any]:
    """Return all that was found for one input as JSON values; `number` counts the inputs from 0."""
    hypotheses = [
        {
            "text": one.text,
            "score": one.score,
            "rank": one.rank,
            "finished": one.finished,
            "tokens": one.target_tokens,
            "ids": one.target_ids,
            "token_scores": one.token_scores,
            **({"attention": one.attention.tolist()} if with_attention else {}),
        }
        for one in found
    ]
    return {
        "id": number,
        "source": source,
        "truncated": found[0].truncated,
        "source_tokens": found[0].source_tokens,
        "unknown_source_tokens": found[0].unknown_source_tokens,
        "hypotheses": hypotheses,
    }


def most_attended_words(
    ids: list[int], attention: Float[Tensor, "target source"], pieces: list[str]
) -> list[str]:
    """Return, for each UNK among the ids, the source piece with the largest attention weight (Luong et al. 2015).

    The column after the pieces is the source's end token: no word, so it is left out.
    """
    best = attention[:, : len(pieces)].argmax(dim=1).tolist()
    return [pieces[best[place]] for place, id_ in enumerate(ids) if id_ == UNK]


@dataclass(frozen=True)
class _Asked:
    """One input: its text and ids, what its output must start with, whether it was cut, what is unknown of it."""

    source: str
    prefix: str
    ids: list[int]
    truncated: bool
    unknown: list[str]


@dataclass(frozen=True)
class Translator:
    """A model with its tokenizers and search; an empty text becomes an empty text.

    A batch has sentences of similar length: so many, or as many as fit into so many source tokens with padding. `other`
    is the model that `decoding.intervention=other_seed` asks for (`inference/other_seed.py` puts it there).
    """

    model: Any  # an EncoderDecoder, or an Ensemble of them
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    decoding: Search
    max_source_tokens: int
    batching: Batching = field(default_factory=BySentences)
    other: Any = None

    def __post_init__(self) -> None:
        """Refuse what a model without attention cannot do now, not at the first word."""
        if self.decoding.replace_unknown and not self._has_attention():
            raise ConfigError(
                "decoding.replace_unknown=true: this model has no attention that says which source word belongs "
                "there; set it to false or choose a model with attention"
            )
        if self.decoding.intervention is not None and not self._weights_can_change():
            raise ConfigError(
                "decoding.intervention: this model has no attention whose weights could be replaced; set it to null "
                "or choose a model with attention (hard attention has none: it reads one position)"
            )

    def searched_model(self) -> Any:
        """Return the model that is searched: under the intervention where there is one."""
        intervention = self.decoding.intervention
        if intervention is None:
            return self.model
        if intervention.other_run() is not None and self.other is None:
            raise ValueError(f"{intervention}: the other model is missing")
        return Intervened(self.model, intervention, self.other).eval()

    def _has_attention(self) -> bool:
        """Return whether a step gives attention weights: known only after one, since any state class may have them."""
        return self._one_step(self.model).attention.shape[1] > 0

    def _weights_can_change(self) -> bool:
        """Return whether a step passes the weights of every attention through what an intervention replaces."""
        model, changes = changeable(self.model)
        self._one_step(model)
        return bool(changes) and all(change.used is not None for change in changes)

    @torch.inference_mode()
    def _one_step(self, model: Any) -> Any:
        """Return the state after the first step on an empty source."""
        training = model.training
        model.eval()
        device = next(model.parameters()).device
        source, lengths = pad_source([[]])
        memory: Any = model.encode(source.to(device), lengths)
        _, state = model.step(torch.tensor([BOS], device=device), model.initial_state(memory))
        model.train(training)
        return state

    def translate(
        self, texts: list[str], *, first: int = 0, prefixes: list[str] | None = None
    ) -> list[Translation]:
        """Translate each text on its own; as many outputs as inputs, in their order."""
        return [found[0] for found in self.n_best(texts, first=first, prefixes=prefixes)]

    @torch.inference_mode()
    def n_best(
        self, texts: list[str], *, first: int = 0, prefixes: list[str] | None = None
    ) -> list[list[Translation]]:
        """Return the hypotheses of the search for each text, best first.

        `first` is the place of the first text in the whole input, by which sampling draws; an output starts with its
        text of `prefixes`, one for each input, encoded like any target text.
        """
        if prefixes is not None and len(prefixes) != len(texts):
            raise ValueError(f"{len(prefixes)} prefixes for {len(texts)} texts")
        training = self.model.training
        self.model.eval()
        (results,) = self._n_best(self.searched_model(), 1, texts, first, prefixes)
        self.model.train(training)
        return results

    @torch.inference_mode()
    def translate_by_each(
        self, model: SeedwiseSearchModel, texts: list[str]
    ) -> list[list[Translation]]:
        """Return, for each seed of a model of several, what `translate` would return with the model of that seed."""
        if self.decoding.intervention is not None:
            raise NotImplementedError("an intervention acts on one model at a time")
        found = self._n_best(model, model.seeds, texts, 0, None)
        return [[hypotheses[0] for hypotheses in of_seed] for of_seed in found]

    def _n_best(
        self, model: Any, seeds: int, texts: list[str], first: int, prefixes: list[str] | None
    ) -> list[list[list[Translation]]]:
        """Return the hypotheses of each text for each seed; `model` searches copies of a batch, one for each seed."""
        encoded = self.source_tokenizer.encode_batch(texts)
        kept = [ids[: self.max_source_tokens] for ids in encoded]
        forced: list[list[int]] = [[] for _ in texts]
        if prefixes is not None:
            forced = self.target_tokenizer.encode_batch(prefixes, texts)
        results = [[[NOTHING] for _ in texts] for _ in range(seeds)]
        step = model.stepper()
        for rows in self._batches(kept):
            copies = [i for _ in range(seeds) for i in rows]
            request = (
                [kept[i] for i in copies],
                [first + i for i in copies],
                [forced[i] for i in copies],
            )
            batch = self._search(model, step, *request)
            for place, (i, found) in enumerate(zip(copies, batch, strict=True)):
                asked = _Asked(
                    source=texts[i],
                    prefix="" if prefixes is None else prefixes[i],
                    ids=kept[i],
                    truncated=len(kept[i]) < len(encoded[i]),
                    unknown=unknown_pieces(self.source_tokenizer, texts[i], kept[i]),
                )
                results[place // len(rows)][i] = [self._translation(asked, one) for one in found]
        return results

    def _batches(self, sentences: list[list[int]]) -> list[list[int]]:
        """Return the places of the sentences that are not empty, those of similar length together."""
        order = [i for i, ids in enumerate(sentences) if ids]
        order.sort(key=lambda i: len(sentences[i]))
        lengths = torch.tensor([len(ids) + 1 for ids in sentences], dtype=torch.long)
        batches = self.batching.cut(torch.tensor(order, dtype=torch.long), lengths, lengths)
        return [rows.tolist() for rows in batches]

    def _search(
        self,
        model: Any,
        step: Step,
        sentences: list[list[int]],
        numbers: list[int],
        prefixes: list[list[int]],
    ) -> list[list[Hypothesis]]:
        source, lengths = pad_source(sentences)
        device = next(self.model.parameters()).device
        memory: Any = model.encode(source.to(device), lengths)
        request = Request(lengths, torch.tensor(numbers), prefixes)
        return self.decoding(step, model.initial_state(memory), request)

    def _translation(self, asked: _Asked, found: Hypothesis) -> Translation:
        tokens, end = found.tokens.tolist(), SPELLINGS[EOS]
        written = self.target_tokenizer.decode(tokens, self._unknown(tokens, asked, found))
        return Translation(
            text=" ".join(written.split("\n")),  # one line, always
            score=found.score,
            rank=found.rank,
            finished=found.finished,
            truncated=asked.truncated,
            source_tokens=[*map(self.source_tokenizer.token, asked.ids), end],
            unknown_source_tokens=asked.unknown,
            target_tokens=[
                *map(self.target_tokenizer.token, tokens),
                *([end] if found.finished else []),
            ],
            target_ids=tokens,
            token_scores=found.token_scores.tolist(),
            attention=found.attention[:, : len(asked.ids) + 1],
        )

    def _unknown(self, tokens: list[int], asked: _Asked, found: Hypothesis) -> list[str]:
        """Return the text for each UNK and copy slot: in a prefix the given word, else a source word or nothing."""
        tokenizer = self.target_tokenizer
        unknown = [place for place, id_ in enumerate(tokens) if tokenizer.is_unknown(id_)]
        if not unknown:
            return []
        prefix, words = tokenizer.pieces(asked.prefix), tokenizer.slot_words(asked.source)
        attended: Iterator[str] = itertools.repeat("")
        first_feature = len(self.source_tokenizer) - self.source_tokenizer.num_features
        start = sum(id_ >= first_feature for id_ in asked.ids)  # a feature is no word
        pieces = self.source_tokenizer.pieces(asked.source)[start : len(asked.ids)]
        if self.decoding.replace_unknown and pieces:
            attended = iter(most_attended_words(tokens, found.attention[:, start:], pieces))
        texts = []
        for place in unknown:
            slot = tokenizer.slot(tokens[place])
            word = next(attended) if slot is None else "".join(words[slot : slot + 1])
            texts.append(prefix[place] if place < len(prefix) else word)
        return texts
