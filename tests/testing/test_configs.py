"""`check_configs` on the options of a package with one planted mistake each."""

from pathlib import Path

import pytest

from seq2seq_lab.testing import check_configs
from support.generated_package import imported, install

CORPUS = """
from seq2seq_lab.data.synthetic import Copy


class Mine(Copy):
    pass


class Picky(Copy):
    def __init__(self, vocab_size: int = 20):
        if vocab_size > 5:
            raise ValueError(f"vocab_size={vocab_size}: must be <= 5")
        super().__init__(vocab_size=vocab_size)
"""
HEAD = "defaults:\n  - _corpus\n  - tokenizer: word\n  - _self_\n"


@pytest.fixture
def package(tmp_path):
    """A folder for options of a package that is installed within the test."""
    place = tmp_path / "src" / "own_options"
    (place / "conf" / "data").mkdir(parents=True)
    (place / "__init__.py").write_text("")
    (place / "corpus.py").write_text(CORPUS)
    with imported(install(tmp_path, "own_options", tmp_path / "site"), "own_options"):
        yield place / "conf"


def test_planted_mistakes_are_named_file_by_file(package):
    texts = {
        "good": "corpus:\n  _target_: own_options.corpus.Mine\n",
        "unknown_key": "corpus:\n  _target_: own_options.corpus.Mine\n  vocabulary: 3\n",
        "no_class": "corpus:\n  _target_: own_options.corpus.Yours\n",
        "refused": "corpus:\n  _target_: own_options.corpus.Picky\n  vocab_size: 6\n",
    }
    for name, text in texts.items():
        (package / "data" / f"own_{name}.yaml").write_text(HEAD + text)
    with pytest.raises(AssertionError) as caught:
        check_configs(package)
    lines = str(caught.value).split("\n")
    assert "3 of 4 properties broken" in lines[0]
    assert ["data/own_no_class.yaml" in lines[1], "no class Yours" in lines[1]] == [True, True]
    assert "vocab_size=6: must be <= 5" in lines[2]
    assert "vocabulary" in lines[3]


def test_a_folder_of_no_installed_extension_is_refused(tmp_path):
    with pytest.raises(
        AssertionError, match=r"not the conf folder of an installed extension.*pip install -e"
    ):
        check_configs(tmp_path)


def test_an_empty_folder_is_refused(package: Path):
    with pytest.raises(AssertionError, match="no YAML file"):
        check_configs(package)
