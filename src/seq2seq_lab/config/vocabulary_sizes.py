"""The sizes of a model that are known once the tokenizers are fitted, written into its config."""

from typing import Any

from seq2seq_lab.errors import DataError


def fill_sizes(model: Any, source: int, target: int, num_features: int = 0) -> None:
    """Set the vocabulary sizes of a model's node; the last `num_features` of the source's ids are features.

    Raises `DataError` where the model encodes features and no training source has one (1: only the unknown one).
    """
    model.source_vocab_size, model.target_vocab_size = source, target
    if model.get("feature_encoder") is None:
        return
    if num_features <= 1:
        raise DataError(
            "model.feature_encoder: no training source has features; write them after a tab (TEXT<TAB>V;PST) and "
            "choose data/tokenizer@data.source_tokenizer=features, or model/feature_encoder=none"
        )
    model.feature_encoder.text_vocab_size = source - num_features
