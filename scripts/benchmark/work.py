"""The work that speed is measured on: the models, the pairs and one training step.

The sizes are those of Multi30k German-English as word models train on it: 14 tokens a side, 7,859 and 5,921 words,
batches of 64. Words are drawn at random, since no product of matrices asks what they mean, or read from two
text files; drawn lengths have the same mean, spread and tail (of 128 drawn at random the longest has 28 words). Model:
bidirectional LSTM 256 + 256, decoder 512, embeddings 256, general attention, an attentional vector of 512, dropout 0.3;
Adam 1e-3, gradient norm 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.data.parallel import read_parallel
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model.attention import AdditiveAttention, Attention, GeneralAttention, NoAttention
from seq2seq_lab.model.bridge import LinearBridge
from seq2seq_lab.model.cell import LstmCell
from seq2seq_lab.model.context import InitialStateContext
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.readout import Readout, StateContextReadout, StateReadout
from seq2seq_lab.model.recurrent_decoder import BahdanauDecoder, LuongDecoder
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS
from seq2seq_lab.training.loss import TokenCrossEntropy, negative_log_likelihood
from seq2seq_lab.training.training_loss import teacher_forced_loss

EMBEDDING, DIM, DROPOUT = 256, 512, 0.3
SOURCE_VOCAB, TARGET_VOCAB = 7859, 5921
BATCH = 64
MEAN_LOG_LENGTH, SHARED_SPREAD, OWN_SPREAD, LONGEST = 2.517, 0.287, 0.116, 40
NAMES = ("lstm_attn_input_feed", "lstm_attn", "lstm")
TUTORIAL = "lstm_attn_additive"
"""The model of tutorials: additive attention before the cell (Bahdanau et al. 2015)."""


@dataclass(frozen=True)
class Sizes:
    """What `flops_per_target_token` counts with."""

    source_per_target: float
    source_length: float


def make_pairs(count: int, seed: int = 1) -> EncodedPairs:
    """Return random pairs with lengths like those of image captions: log-normal, the two sides correlated by 0.86."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(count, generator=generator) * SHARED_SPREAD + MEAN_LOG_LENGTH

    def lengths() -> Tensor:
        own = torch.randn(count, generator=generator) * OWN_SPREAD
        return (shared + own).exp().round().clamp(3, LONGEST).long()

    source, target = lengths(), lengths()

    def words(length: int, vocab: int) -> list[int]:
        return torch.randint(NUM_SPECIAL_TOKENS, vocab, (length,), generator=generator).tolist()

    return EncodedPairs(
        [words(n, SOURCE_VOCAB) for n in source.tolist()],
        [words(n, TARGET_VOCAB) for n in target.tolist()],
    )


def read_pairs(source: str, target: str, count: int) -> EncodedPairs:
    """Return the first pairs of two text files; a word that occurs once in its file is unknown.

    Raises `ConfigError` if a file has more words than the models' vocabularies hold.
    """
    pairs, _ = read_parallel(source, target)
    sides = []
    for lines, path, size in (
        ([pair.source for pair in pairs], source, SOURCE_VOCAB),
        ([pair.target for pair in pairs], target, TARGET_VOCAB),
    ):
        tokenizer = WordTokenizer(min_frequency=2)
        tokenizer.fit(lines, "und")
        if len(tokenizer) > size:
            raise ConfigError(
                f"{path}: {len(tokenizer):,} words occur twice, the measured model knows {size:,}; give fewer lines"
            )
        sides.append(tokenizer.encode_batch(lines[:count]))
    return EncodedPairs(*sides)


def pairs_for(arguments: Any, count: int) -> EncodedPairs:
    """Return the pairs of `--text`, or made-up ones."""
    return read_pairs(*arguments.text, count) if arguments.text else make_pairs(count)


def make_batches(
    pairs: EncodedPairs, size: int = BATCH, *, bucketed: bool, seed: int = 1
) -> list[Batch]:
    """Return all pairs once, in batches of like length or of any."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(pairs), generator=generator)
    if bucketed:
        key = pairs.target_lengths[order] * (LONGEST + 2) + pairs.source_lengths[order]
        order = order[key.argsort(stable=True)]
    groups = list(order.split(size))
    shuffled = torch.randperm(len(groups), generator=generator).tolist()
    return [pairs[groups[i]] for i in shuffled]


def make_model(
    name: str, seed: int = 1, vocabularies: tuple[int, int] = (SOURCE_VOCAB, TARGET_VOCAB)
) -> EncoderDecoder:
    """Return one of the models of `NAMES`, or `TUTORIAL`."""
    torch.manual_seed(seed)
    attends = name != "lstm"
    attention: Attention = GeneralAttention(DIM, DIM) if attends else NoAttention(DIM, DIM)
    if name == TUTORIAL:
        attention = AdditiveAttention(DIM, DIM, DIM)
    readout: Readout = StateContextReadout(DIM, DROPOUT) if attends else StateReadout(DIM, DROPOUT)
    encoder = RecurrentEncoder(
        TokenEmbedding(vocabularies[0], EMBEDDING, DROPOUT), LstmCell, DIM, bidirectional=True
    )
    order = BahdanauDecoder if name == TUTORIAL else LuongDecoder
    decoder = order(
        vocabularies[1],
        TokenEmbedding(vocabularies[1], EMBEDDING, DROPOUT),
        LstmCell,
        attention,
        LinearBridge(DIM, 1, DIM, 1),
        InitialStateContext(DIM),
        readout,
        dim=DIM,
        input_feeding=name == "lstm_attn_input_feed",
    )
    return EncoderDecoder(encoder, decoder)


def flops_per_target_token(name: str, sizes: Sizes) -> float:
    """Return the floating-point operations of training one target token: useful work only, 3 x the forward pass.

    Padding counts nothing and keys are made once per source token, whatever the program does.
    """
    half = DIM // 2
    encoder = 2 * 4 * half * (EMBEDDING + half) * sizes.source_per_target
    step = float(4 * DIM * (EMBEDDING + DIM) + DIM * TARGET_VOCAB)
    if name in ("lstm_attn_input_feed", TUTORIAL):
        step += 4 * DIM * DIM
    if name == TUTORIAL:
        step += DIM * DIM
    if name != "lstm":
        keys = DIM * DIM * sizes.source_per_target
        step += keys + 2 * sizes.source_length * DIM + 2 * DIM * DIM
    return 3 * 2 * (encoder + step)


Loss = Callable[[EncoderDecoder, Batch], Tensor]
Logits = Callable[[EncoderDecoder, Batch], Tensor]


def mean_loss(logits: Logits) -> Loss:
    """Return the mean loss per real token of what gives the logits of the real positions."""

    def loss(model: EncoderDecoder, batch: Batch) -> Tensor:
        total = negative_log_likelihood(logits(model, batch), batch.targets)
        return total / batch.num_target_tokens

    return loss


def forced_loss(model: EncoderDecoder, batch: Batch) -> Tensor:
    """Return the mean loss per real token of teacher forcing, as a run computes it."""
    return teacher_forced_loss(model, batch, TokenCrossEntropy()) / batch.num_target_tokens


class Trainer:
    """The bare loop over a model: loss, backward, clip, Adam."""

    def __init__(self, model: EncoderDecoder, loss: Loss, *, fused: bool = True):
        self.model, self.loss = model.train(), loss
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

    def __call__(self, batch: Batch) -> None:
        """Take one step."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.model, batch).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
