"""Classes of an extension: what of them a config may name, and how their arguments are checked."""

import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.extension import take_flags
from seq2seq_lab.config.signature import signature_of
from support.extension_packages import SHARP, mistake, on_path, write


def test_arguments_of_our_constructor_are_inherited_and_checked(my_lab):
    found = signature_of("my_lab.attention.SharpAttention")
    assert list(found.arguments) == ["query_dim", "memory_dim", "dim", "normalizer", "sharpness"]
    assert not found.is_open  # **others goes to a constructor of ours
    assert found.arguments["dim"].required
    for override, code, message in (
        ("+model.decoder.attention.shapness=1", 2, "did you mean model.decoder.attention.sharpness?"),
        ("+model.decoder.attention.temperature=1", 2, "temperature: no such key"),
        ("model.decoder.attention.sharpness=high", 2, "expected float, got 'high'"),
        ("+model.decoder.attention.normalizer={_target_: seq2seq_lab.model.cell.GruCell}", 2, "Normalizer"),
        ("model.decoder.attention.sharpness=-1", 2, "sharpness=-1: must be > 0; use sharpness=2"),
        ("model.decoder.attention._target_=my_lab.attention.SharpAtention", 2, "did you mean SharpAttention?"),
        ("model.decoder.attention._target_=my_lab.data.Twice", 2, "expected a Attention"),
    ):  # fmt: skip
        found_code, text = mistake([*SHARP, override])
        assert (found_code, message in text) == (code, True), text


BASES = {
    "import seq2seq_lab.model.attention as a": "a.AdditiveAttention",
    "import seq2seq_lab.model.attention": "seq2seq_lab.model.attention.AdditiveAttention",
    "from seq2seq_lab.model import attention": "attention.AdditiveAttention",
    "from seq2seq_lab.model.attention import AdditiveAttention": "AdditiveAttention",
    "from seq2seq_lab.model.attention import AdditiveAttention as Own": "Own",  # class Own(Own)
    "from base_lab.here import Again": "Again",
}


@pytest.mark.parametrize("line", BASES)
def test_a_base_is_found_however_it_is_imported(tmp_path, line):
    write(
        tmp_path,
        {
            "__init__.py": "from . import here, own",
            "here.py": "from seq2seq_lab.model.attention import AdditiveAttention as Again",
            "own.py": f"{line}\nclass Own({BASES[line]}):\n    pass\n",
        },
        "base_lab",
    )
    with on_path():
        take_flags(["--extension", str(tmp_path / "base_lab")])
        found = signature_of("base_lab.own.Own").arguments
        assert list(found) == ["query_dim", "memory_dim", "dim", "temperature", "normalizer"]
        target = "model.decoder.attention._target_=base_lab.own.Own"
        check(compose_config(["data=copy", target, "+model.decoder.attention.dim=4"]))


def test_dataclasses_inherit_fields_across_packages_and_circles_end(tmp_path):
    write(
        tmp_path,
        {
            "__init__.py": "from ring_lab import other",
            "other.py": "from ring_lab.own import Nothing",
            "own.py": """
                from dataclasses import dataclass
                from ring_lab.other import Nothing
                from seq2seq_lab.data.length_filter import LengthFilter

                @dataclass
                class Shorter(LengthFilter):
                    share: float = 0.5

                class Lost(Nothing):
                    pass
            """,
        },
        "ring_lab",
    )
    with on_path():
        take_flags(["--extension", str(tmp_path / "ring_lab")])
        found = list(signature_of("ring_lab.own.Shorter").arguments)
        assert found == [
            *signature_of("seq2seq_lab.data.length_filter.LengthFilter").arguments,
            "share",
        ]
        assert signature_of("ring_lab.own.Lost").arguments == {}


def test_loggers_and_callbacks_are_of_their_kind_by_what_they_derive_from(my_lab):
    logger = "training.logger.mine={_target_: my_lab.watch.MyLogger, save_dir: x}"
    plain = [*SHARP, "~training/logger", "+training/callback=counter", f"+{logger}"]
    check(compose_config(plain), with_lightning=True)
    _, text = mistake([*SHARP, "training.callback.bleu={_target_: my_lab.data.Twice}"])
    assert "expected a Callback or one that derives from it, got Twice" in text
    _, text = mistake([*plain, "+training.logger.mine.naem=x"])
    assert "did you mean training.logger.mine.name?" in text
    _, text = mistake([*SHARP, "training.loss={_target_: my_lab.watch.Counter}"])
    assert "expected a class of seq2seq_lab.training.loss or one that derives from it" in text


def test_what_a_module_raises_at_its_import_is_one_line(tmp_path):
    lines = "from seq2seq_lab.data.synthetic import Copy\nimport nowhere_at_all\nclass Own(Copy):\n    pass\n"
    write(tmp_path, {"own.py": lines}, "sick_lab")
    with on_path():
        take_flags(["--extension", str(tmp_path / "sick_lab")])
        code, text = mistake(["data=copy", "data.corpus._target_=sick_lab.own.Own"])
        assert (code, "sick_lab.own" in text and "nowhere_at_all" in text) == (2, True), text
