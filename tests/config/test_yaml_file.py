"""YAML files: the values of OmegaConf's own reader, and an end in one line for every hostile file."""

import time

import pytest
import yaml
from omegaconf import OmegaConf

from seq2seq_lab.config.compose import compose_config, conf_dir
from seq2seq_lab.config.yaml_file import read_yaml
from seq2seq_lab.errors import ConfigError, UnsafeError, UserError

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {k: 1}\n" + "".join(
    f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}\n" for i in range(1, 40)
)
HOSTILE = {
    "alias bomb": (BOMB, ConfigError, "more than 100,000 values"),
    "bomb of mappings": (MERGE_BOMB, ConfigError, "more than 100,000 values"),
    "contains itself": ("a: &a [1, *a]\n", ConfigError, "*a contains itself"),
    "10^5 lists": ("a: " + "[" * 100_000 + "]" * 100_000, ConfigError, "nested more than 40 levels"),
    "10^5 mappings": ("".join(" " * i + f"k{i}:\n" for i in range(900)), ConfigError, "more than 40 levels"),
    "1 MB": ("# " + "x" * 1_000_000, ConfigError, "a config file has at most 1,000,000"),
    "same key twice": ("a: 1\nb: 2\na: 3\n", ConfigError, ":3: broken YAML: the key a is there twice"),
    "tab": ("a:\n\tb: 1\n", ConfigError, ":2: broken YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", ConfigError, "broken YAML"),
    "UTF-16": ("a: 1\n".encode("utf-16"), ConfigError, "not UTF-8"),
    "Latin 1": (b"a: caf\xe9\n", ConfigError, "not UTF-8 (byte 6)"),
    "binary": (bytes(range(128)), ConfigError, "a character that YAML forbids"),
    "python object": ("a: !!python/object:os.system {}\n", UnsafeError, ":1: broken YAML"),
    "python call": ("a: !!python/object/apply:os.system [x]\n", UnsafeError, "python/object/apply"),
    "python path": ("a: !!python/object/apply:pathlib.Path [x]\n", UnsafeError, "python/object/apply"),
    "own tag": ("a: !secret x\n", ConfigError, "!secret"),
    "environment": ("a:\n  b: [x, '${oc.env:HOME}']\n", UnsafeError, "a.b.1: ${oc.env:...} is not"),
    "unhashable key": ("{[1]: 2}\n", ConfigError, "broken YAML"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_one_line(tmp_path, name):
    text, kind, says = HOSTILE[name]
    file = tmp_path / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = time.process_time()
    with pytest.raises(UserError) as told:
        read_yaml(file)
    assert time.process_time() - before < 10  # a bomb would take hours
    assert type(told.value) is kind
    assert says in str(told.value)
    assert "x.yaml" in str(told.value)
    assert str(told.value).isprintable()


def test_links_and_folders_are_told(tmp_path):
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("loop", "folder", "none"):
        with pytest.raises(ConfigError, match=f"{name}.yaml: cannot be read"):
            read_yaml(tmp_path / f"{name}.yaml")


SCALARS = (
    "a: 1e-3\nb: 1_000\nc: 2026-01-02\nd: yes\ne: .inf\nf: 0x1f\ng: ~\nh: '1'\ni: 1:30\nj: 010\nk: ???\n"
    "l: &x {m: 1.5}\nn: {<<: *x, o: 2}\n1: one\ntrue: two\np: ${a}\nq: |\n  text\n"
)


def test_values_are_those_of_omegaconf(tmp_path):
    files = sorted(conf_dir().rglob("*.yaml"))
    (tmp_path / "scalars.yaml").write_text(SCALARS)
    for file in [tmp_path / "scalars.yaml", *files]:
        found = OmegaConf.create(read_yaml(file) or {})
        assert found == OmegaConf.load(file), file


def test_each_caller_has_values_of_its_own(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [1]\n")
    read_yaml(tmp_path / "x.yaml")["a"].append(2)
    assert read_yaml(tmp_path / "x.yaml") == {"a": [1]}
    (tmp_path / "x.yaml").write_text("a: [1, 3]\n")
    assert read_yaml(tmp_path / "x.yaml") == {"a": [1, 3]}


def test_planted_reader_without_limits_is_slow_or_silent(tmp_path):
    """What PyYAML itself makes of two of the files: the bomb grows, the second value of a key wins."""
    small = "".join(BOMB.splitlines(keepends=True)[:6])
    value = yaml.safe_load(small)
    assert len(repr(value["a5"])) > 9**5
    assert yaml.safe_load(HOSTILE["same key twice"][0]) == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    "text",
    ["${oc.env:X}", "a${ oc.env : X }", "${oc.select:x,${oc.env:X}}", "${${seed}:X}", "${oc.decode:'${seed}'}"],
)  # fmt: skip
def test_an_override_may_call_only_the_listed_functions(text, monkeypatch):
    monkeypatch.setenv("X", "secret")
    with pytest.raises(UnsafeError) as told:
        compose_config([f"name={text}"])
    assert "is not a function that a config may call" in str(told.value)
    assert "secret" not in str(told.value)
