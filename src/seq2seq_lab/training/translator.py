"""Text in, text out: encode, search and decode in batches of like length, with the order kept."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.data.collate import pad_source
from seq2seq_lab.data.tokenizer import Tokenizer
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request, Search
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import EOS, SPELLINGS


@dataclass(frozen=True)
class Translation:
    """One output text; `truncated` says that the source was over-long and cut."""

    text: str
    score: float
    finished: bool
    truncated: bool
    source_tokens: list[str]
    target_tokens: list[str]
    attention: Float[Tensor, "target source"]


NOTHING = Translation(
    text="",
    score=0.0,
    finished=True,
    truncated=False,
    source_tokens=[],
    target_tokens=[],
    attention=torch.zeros(0, 0),
)


@dataclass(frozen=True)
class Translator:
    """A model with its tokenizers and search; an empty text becomes an empty text."""

    model: EncoderDecoder
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    decoding: Search
    max_source_tokens: int
    batch_size: int = 64

    @torch.inference_mode()
    def translate(self, texts: list[str]) -> list[Translation]:
        """Translate each text on its own; as many outputs as inputs, in their order."""
        training = self.model.training
        self.model.eval()
        encoded = self.source_tokenizer.encode_batch(texts)
        kept = [ids[: self.max_source_tokens] for ids in encoded]
        order = sorted((i for i in range(len(texts)) if kept[i]), key=lambda i: len(kept[i]))
        results = [NOTHING] * len(texts)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            for i, found in zip(rows, self._search([kept[i] for i in rows], rows), strict=True):
                cut = len(kept[i]) < len(encoded[i])
                results[i] = self._translation(kept[i], found[0], truncated=cut)
        self.model.train(training)
        return results

    def _search(self, sentences: list[list[int]], numbers: list[int]) -> list[list[Hypothesis]]:
        source, lengths = pad_source(sentences)
        device = next(self.model.parameters()).device
        memory = self.model.encode(source.to(device), lengths)
        request = Request(lengths, torch.tensor(numbers), [[] for _ in numbers])
        return self.decoding(self.model.step, self.model.initial_state(memory), request)

    def _translation(self, source: list[int], found: Hypothesis, *, truncated: bool) -> Translation:
        tokens = found.tokens.tolist()
        end = SPELLINGS[EOS]
        return Translation(
            text=" ".join(self.target_tokenizer.decode(tokens).split("\n")),  # one line, always
            score=found.score,
            finished=found.finished,
            truncated=truncated,
            source_tokens=[*map(self.source_tokenizer.token, source), end],
            target_tokens=[
                *map(self.target_tokenizer.token, tokens),
                *([end] if found.finished else []),
            ],
            attention=found.attention[:, : len(source) + 1],
        )
