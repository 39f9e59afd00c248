import pytest

from seq2seq_lab.doctor.shrink import shrink, tiny_widths, without_dropout

NODE = {
    "_target_": "a.Model",
    "dim": 512,
    "embedding_dim": 300,
    "num_layers": 3,
    "max_positions": 512,
    "dropout": 0.1,
    "tie_output": True,
    "encoder": {"dim": 512, "memory_dim": 512, "vocab_size": 11, "attention_dropout": 0.2},
    "parts": [{"dim": 300}],
}


def test_widths_shrink_and_everything_else_stays():
    small = shrink(NODE)
    assert small == {
        **NODE,
        "dim": 8,
        "embedding_dim": 6,
        "encoder": {**NODE["encoder"], "dim": 8, "memory_dim": 8},
        "parts": [{"dim": 6}],
    }


@pytest.mark.parametrize("heads", [1, 3, 4, 8])
def test_heads_divide_every_width_into_even_parts(heads):
    widths = tiny_widths({"num_heads": heads, "dim": 512, "feedforward_dim": 2048})
    assert all(width % (2 * heads) == 0 for width in widths.values())
    assert widths[512] < widths[2048]


def test_every_dropout_goes():
    assert without_dropout(NODE)["dropout"] == 0.0
    assert without_dropout(NODE)["encoder"]["attention_dropout"] == 0.0
    assert without_dropout(NODE)["encoder"]["dim"] == 512
