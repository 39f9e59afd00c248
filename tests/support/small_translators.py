"""Random models' translators, and lines of every kind to translate."""

from dataclasses import replace

import torch

from seq2seq_lab.data.batching import BySentences
from seq2seq_lab.inference.translator import Translator
from support.small_runs import small

SPECIAL = [
    "<eos>",
    "</s>",
    "<pad>",
    "<bos>",
    "<unk>",
    "@@",
    "▁",
    "\u2028",
    "a\x85b",
    "\f",
    "‮abc",
    "👩‍👩‍👧",
    "e\u0301",
]


def translator(*overrides, scale=6.0) -> Translator:
    """Return a random model's translator, with weights so large that outputs differ with inputs."""
    short = ("decoding.max_ratio=0.7", "decoding.max_extra=2")
    parts = small("model.dropout=0.5", *short, *overrides)
    parts.module.double()  # so that near ties do not depend on the batch
    with torch.no_grad():
        for parameter in parts.module.model.parameters():
            parameter.mul_(scale)
    return replace(parts.module.translator, batching=BySentences(8))


def lines() -> list[str]:
    """Return 60 lines: 1 to 40 words, blank ones, and special strings, in mixed order."""
    generator = torch.Generator().manual_seed(1)
    lengths = [int(torch.randint(1, 41, (1,), generator=generator)) for _ in range(40)]
    texts = [
        " ".join(str(int(i)) for i in torch.randint(0, 6, (n,), generator=generator))
        for n in lengths
    ]
    texts += ["", "   ", "\t", "", " ", "", "\u3000", *SPECIAL]
    return [texts[i] for i in torch.randperm(len(texts), generator=generator).tolist()]
