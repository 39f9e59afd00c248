"""The LightningDataModule: corpus -> tokenizers -> length filter -> bucketed, padded batches, and a data report."""

import copy
import itertools
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.batching import Batching, BatchOrder
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.data.corpus import Corpus, Pair
from seq2seq_lab.data.encoding import encode, encode_once
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.pairs import select, sources_of, targets_of
from seq2seq_lab.data.report import fingerprint, overlap, side_report
from seq2seq_lab.data.sampled_pairs import DrawOrder, SampledPairs
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.errors import DataError
from seq2seq_lab.metrics.monitor import check_monitor

SPLITS = ("train", "val", "test")


class Seq2SeqDataModule(pl.LightningDataModule):
    """The data of a run: its corpus as batches. Vocabularies come from the training split alone.

    `tokenizer` gives the settings of both sides unless a side has its own. `joint` fits one on both sides.
    `score_training_pairs` also serves the training pairs for validation and test: for overfitting checks, never for
    results. `max_pairs` keeps the first pairs of each split, counted like every other pair left out. `monitor` names
    the metric by which this corpus is judged: the callbacks refer to it. `cache_dir` is a folder where the encoded text
    is kept for later runs.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        batching: Batching,
        length_filter: LengthFilter,
        source_tokenizer: Tokenizer | None = None,
        target_tokenizer: Tokenizer | None = None,
        *,
        joint: bool = False,
        score_training_pairs: bool = False,
        seed: int = 1,
        num_workers: int = 0,
        max_pairs: int | None = None,
        monitor: str = "val/bleu",
        cache_dir: str | None = None,
    ):
        super().__init__()
        if max_pairs is not None and max_pairs < 1:
            raise ValueError(f"max_pairs={max_pairs}: must be >= 1, or null for all pairs")
        if num_workers < 0:
            raise ValueError(f"num_workers={num_workers}: must be >= 0")
        check_monitor(monitor)
        self.corpus, self.batching, self.length_filter = corpus, batching, length_filter
        sides = [source_tokenizer, target_tokenizer]
        if joint and sides != [None, None]:
            raise ValueError(
                "joint=true: both sides share data.tokenizer; leave the sides' own null"
            )
        own = [copy.deepcopy(tokenizer) if side is None else side for side in sides]
        if not joint and any(side.copy_slots for side in own):
            raise ValueError(
                "copy_slots: both sides must agree on which words are unknown; set joint=true, or copy_slots=0"
            )
        self.source_tokenizer, self.target_tokenizer = own[0], own[0] if joint else own[1]
        if self.target_tokenizer.num_features:
            raise ValueError(
                "data/tokenizer=features: a target has no features; choose it for the source alone, "
                "data/tokenizer@data.source_tokenizer=features"
            )
        self.joint, self.score_training_pairs = joint, score_training_pairs
        self.seed, self.num_workers, self.max_pairs = seed, num_workers, max_pairs
        self.monitor, self.cache_dir = monitor, cache_dir
        self.start_at = (0, 0)  # epoch, batches of it that are done: set before a run is resumed
        self.pairs: dict[str, Sequence[Pair]] = {}
        self.encoded: dict[str, EncodedPairs] = {}
        self.report: dict[str, Any] = {}

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Read, tokenize, filter and report; once, whatever the stage."""
        if self.encoded:
            return
        text = self.corpus.read()
        self.pairs = {"train": text.train, "val": text.val, "test": text.test}
        if not text.train:
            raise DataError("the training split is empty; check the data.* keys")
        dropped = {split: Counter(text.dropped.get(split, {})) for split in SPLITS}
        self._keep_first(dropped)
        if self.score_training_pairs:
            self.pairs |= {"val": self.pairs["train"], "test": self.pairs["train"]}
        self._fit_tokenizers(self.pairs["train"])
        sides = {}
        for split in SPLITS:
            sides[split] = self._encode(split, dropped[split])
        if not self.pairs["train"]:
            raise DataError(
                f"all training pairs were left out: {dict(dropped['train'])}; raise "
                "data.length_filter.max_source_tokens or max_target_tokens"
            )
        self.report = self._report(sides, {name: dict(count) for name, count in dropped.items()})
        self.report |= {"origin": text.origin} if text.origin else {}

    @property
    def vocabulary_sizes(self) -> tuple[int, int, int]:
        """The sizes of both vocabularies, and how many ids of the source are features."""
        source, target = self.source_tokenizer, self.target_tokenizer
        return len(source), len(target), source.num_features

    def share(self, other: "Seq2SeqDataModule") -> None:
        """Take what another one has read by the same settings, instead of reading it."""
        self.corpus, self.pairs, self.encoded = other.corpus, other.pairs, other.encoded
        self.report = other.report
        self.source_tokenizer, self.target_tokenizer = (
            other.source_tokenizer,
            other.target_tokenizer,
        )

    def _keep_first(self, dropped: dict[str, Counter]) -> None:
        for split, pairs in self.pairs.items():
            if self.max_pairs is not None and len(pairs) > self.max_pairs:
                dropped[split]["over data.max_pairs"] = len(pairs) - self.max_pairs
                self.pairs[split] = pairs[: self.max_pairs]

    def _fit_tokenizers(self, train: Sequence[Pair]) -> None:
        language = self.corpus.source_language
        if self.joint:
            both = itertools.chain(sources_of(train), targets_of(train))
            self.source_tokenizer.fit(both, language)
        else:
            self.source_tokenizer.fit(sources_of(train), language)
            self.target_tokenizer.fit(targets_of(train), self.corpus.target_language)

    def _encode(self, split: str, dropped: Counter) -> tuple[dict, dict]:
        pairs, tokenizers = self.pairs[split], (self.source_tokenizer, self.target_tokenizer)
        one_way = (
            encode
            if self.cache_dir is None
            else partial(encode_once, Path(self.cache_dir).expanduser())
        )
        encoded = one_way(pairs, tokenizers, self.length_filter, training=split == "train")
        dropped.update(encoded.dropped)
        self.pairs[split] = select(pairs, encoded.rows) if split == "train" else pairs
        self.encoded[split] = encoded.pairs()
        sides = zip(encoded.lengths(), encoded.unknown, strict=True)
        source, target = (side_report(lengths, unknown) for lengths, unknown in sides)
        return source, target

    def _report(self, sides: dict, dropped: dict) -> dict[str, object]:
        return {
            "languages": [self.corpus.source_language, self.corpus.target_language],
            "vocabulary": {
                "source": len(self.source_tokenizer),
                "target": len(self.target_tokenizer),
                "joint": self.joint,
            },
            "splits": {
                split: {
                    "pairs": len(self.pairs[split]),
                    "dropped": dropped[split],
                    "source": sides[split][0],
                    "target": sides[split][1],
                    **({} if split == "train" else overlap(self.pairs["train"], self.pairs[split])),
                    "sha256": fingerprint(self.pairs[split]),
                }
                for split in SPLITS
            },
            "tokenizers": {
                "source": self.source_tokenizer.fingerprint(),
                "target": self.target_tokenizer.fingerprint(),
            },
        }

    def _samples(self, split: str) -> bool:
        """Tell whether the segmentation of this split is drawn anew in every epoch."""
        return split == "train" and (self.source_tokenizer.samples or self.target_tokenizer.samples)

    def _order(self, split: str) -> BatchOrder:
        data = self.encoded[split]
        trainer = self.trainer
        kind = DrawOrder if self._samples(split) else BatchOrder
        return kind(
            self.batching,
            data.source_lengths,
            data.target_lengths,
            seed=self.seed,
            training=split == "train",
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
            start_at=self.start_at if split == "train" else (0, 0),
        )

    def num_batches(self) -> int:
        """Return how many training batches this process has in every epoch; none is made."""
        return len(self._order("train"))

    def _loader(self, split: str) -> DataLoader:
        data: Any = self.encoded[split]
        if self._samples(split):
            tokenizers = (self.source_tokenizer, self.target_tokenizer)
            data = SampledPairs(self.pairs[split], tokenizers, self.length_filter, self.seed)
        return DataLoader(
            data,
            sampler=self._order(split),
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self._trains_on("cuda"),
            # its own: a loader draws a number each time it starts, and validation must not move the dropout masks
            generator=torch.Generator().manual_seed(self.seed),
        )

    def _trains_on(self, kind: str) -> bool:
        trainer: Any = self.trainer
        return trainer is not None and trainer.strategy.root_device.type == kind

    def train_dataloader(self) -> DataLoader:
        """Return the bucketed, shuffled batches."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader:
        """Return the validation batches, every pair once."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        """Return the test batches, every pair once."""
        return self._loader("test")

    def transfer_batch_to_device(
        self,
        batch: Batch,
        device: torch.device,
        dataloader_idx: int,  # noqa: ARG002
    ) -> Batch:
        """Move a batch; lengths and line numbers stay on the CPU."""
        return batch.to(device)
