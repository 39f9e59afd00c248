"""Several models with features at once: each one's logits and gradients are those of its model alone."""

import pytest

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from seq2seq_lab.doctor.batches import Vocabularies, random_batch
from seq2seq_lab.doctor.random_weights import randomize
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits
from support.seedwise import compare_with_each_alone

SIZES = Vocabularies(16, 13, 5)
BATCHES = [
    random_batch((4, 0, 2), (2, 6, 4), SIZES, 1),
    random_batch((2, 3), (1, 7), SIZES, 2),
    random_batch((1, 2, 5, 3), (3, 1, 2, 2), SIZES, 3),
]


@pytest.mark.parametrize("kind", ["set", "recurrent", "transformer"])
@pytest.mark.parametrize(
    "model", ["lstm_attn", "gru model.num_layers=2 model.encoder.bidirectional=true", "transformer"]
)
def test_each_seed_is_its_model_alone(model, kind):
    sizes = {"source_vocab_size": 16, "target_vocab_size": 13, "dim": 8, "embedding_dim": 4}
    chosen = [f"model.{key}={value}" for key, value in sizes.items()]
    chosen += [f"model/feature_encoder={kind}", "model.feature_encoder.text_vocab_size=11"]
    node = compose([*f"model={model}".split(), "model.dropout=0.3", *chosen])["model"]
    models = [randomize(build(node), seed).train() for seed in (1, 2, 3)]
    compare_with_each_alone(
        models,
        BATCHES,
        lambda together, generators: together.logits(BATCHES, generators),
        lambda seed: teacher_forced_logits(models[seed], BATCHES[seed]),
    )
