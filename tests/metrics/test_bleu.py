"""Law O16: our numbers are those of the sacreBLEU command on the stored files."""

import json
import math
import subprocess
import sys

import pytest
import torch

from seq2seq_lab.metrics.bleu import bleu_tokenizer
from seq2seq_lab.metrics.scores import too_short_for_bleu
from seq2seq_lab.metrics.table import METRICS

ENGLISH = [
    "The",
    "the",
    "a",
    "cat",
    "Cat",
    "sat",
    "on",
    "Mat",
    ",",
    ".",
    "!",
    "don't",
    "U.S.",
    "3.5",
    "%",
    "(it)",
    "“so”",
]
CHINESE = [*"我你他的是不了在人有我们学习翻译一二三，。！", "BLEU", " ", "3.5"]


def bleu(hypotheses, references, *, tokenize, name="bleu"):
    return METRICS[name].made_as(f"tok:{tokenize}").corpus(hypotheses, references)


def bleu_tok_lc(hypotheses, references, *, tokenize):
    return bleu(hypotheses, references, tokenize=tokenize, name="bleu_tok_lc")


def chrf(hypotheses, references):
    return METRICS["chrf"].corpus(hypotheses, references)


def random_corpus(seed):
    """Return (hypotheses, references, tokenizer): references with words dropped, swapped and re-cased."""
    coins = torch.Generator().manual_seed(seed)

    def draw(n):
        return int(torch.randint(n, (1,), generator=coins))

    words, joint, tokenize = [(ENGLISH, " ", "13a"), (CHINESE, "", "zh"), (CHINESE, "", "char")][
        seed % 3
    ]
    hypotheses, references = [], []
    for _ in range(1 + draw(7)):
        reference = [words[draw(len(words))] for _ in range(3 + draw(17))]
        hypothesis = [w.title() if draw(9) == 0 else w for w in reference if draw(7)]
        if draw(2):
            hypothesis.insert(draw(len(hypothesis) + 1), words[draw(len(words))])
        references.append(joint.join(reference).strip())
        hypotheses.append(joint.join(hypothesis).strip())
    return hypotheses, references, tokenize


COMMANDS = """
import json, os, sys
from sacrebleu.sacrebleu import main
kept = []  # the command re-opens the numbers of stdin and stdout, so nothing may be closed in between
for number, line in enumerate(json.loads(sys.argv[1])):
    kept += [open(os.devnull), open(f"{number}.json", "w")]
    sys.stdin, sys.stdout = kept[-2:]
    sys.argv = ["sacrebleu", *line, "-w", "9", "-f", "json"]
    main()
    sys.stdout.flush()
    kept.append(sys.stdout)
os._exit(0)
"""


def commands(lines, folder):
    """Run the sacreBLEU command line (its own `main`) once for each line, in one process."""
    process = [sys.executable, "-W", "ignore", "-c", COMMANDS, json.dumps(lines)]
    subprocess.run(process, cwd=folder, stdin=subprocess.DEVNULL, check=True, capture_output=True)
    return [json.loads((folder / f"{n}.json").read_text("utf-8")) for n in range(len(lines))]


def store(folder, hypotheses, references):
    """Write hyp.txt and ref.txt and return the command's arguments for them."""
    folder.mkdir(exist_ok=True)
    for name, texts in (("hyp.txt", hypotheses), ("ref.txt", references)):
        (folder / name).write_text("".join(f"{t}\n" for t in texts), encoding="utf-8", newline="\n")
    return [str(folder / "ref.txt"), "-i", str(folder / "hyp.txt")]


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Return what the command says of 50 stored corpora: (corpus, [bleu, chrf, lower-cased bleu])."""
    folder = tmp_path_factory.mktemp("sacrebleu")
    corpora, lines = [random_corpus(seed) for seed in range(50)], []
    for number, (hypotheses, references, tokenize) in enumerate(corpora):
        files = store(folder / f"corpus{number}", hypotheses, references)
        lines.append([*files, "-m", "bleu", "chrf", "-tok", tokenize])
        lines.append([*files, "-m", "bleu", "-tok", tokenize, "-lc"])
    said = commands(lines, folder)
    return [(c, [*said[2 * i], said[2 * i + 1]]) for i, c in enumerate(corpora)]


def law_scores_equal_the_command(truth, bleu=bleu) -> None:
    for (hypotheses, references, tokenize), expected in truth:
        ours = [
            bleu(hypotheses, references, tokenize=tokenize),
            chrf(hypotheses, references),
            bleu_tok_lc(hypotheses, references, tokenize=tokenize),
        ]
        for score, said in zip(ours, expected, strict=True):
            assert math.isclose(score.value, said["score"], abs_tol=1e-8), (score, said)
            assert said["signature"] == score.signature


def test_scores_and_signatures_equal_the_command_on_50_corpora(truth):
    assert len(truth) == 50
    law_scores_equal_the_command(truth)


def test_the_installed_command_itself_gives_the_same_number(tmp_path):
    hypotheses, references, tokenize = random_corpus(3)
    files = store(tmp_path, hypotheses, references)
    line = [sys.executable, "-m", "sacrebleu", *files, "-b", "-w", "9", "-tok", tokenize]
    printed = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    ours = bleu(hypotheses, references, tokenize=tokenize).value
    assert math.isclose(ours, float(printed), abs_tol=1e-8)


def test_the_law_catches_lower_casing_in_the_main_score(truth):
    def lower_cased(hypotheses, references, *, tokenize):
        texts = [[text.lower() for text in texts] for texts in (hypotheses, references)]
        return bleu(*texts, tokenize=tokenize)

    with pytest.raises(AssertionError):
        law_scores_equal_the_command(truth, lower_cased)


def test_the_law_catches_scoring_of_segmented_text(truth):
    def segmented(hypotheses, references, *, tokenize):
        pieces = [[" ".join(text) for text in texts] for texts in (hypotheses, references)]
        return bleu(*pieces, tokenize=tokenize)

    with pytest.raises(AssertionError):
        law_scores_equal_the_command(truth, segmented)


@pytest.mark.parametrize("tokenize", ["13a", "zh", "char"])
def test_a_perfect_translation_scores_100(tokenize):
    texts = ["Ein kleiner Hund läuft über die Wiese .", "他 在 学习 机器 翻译 和 语言 。"]
    assert bleu(texts, texts, tokenize=tokenize).value == pytest.approx(100)
    assert bleu_tok_lc(texts, texts, tokenize=tokenize).value == pytest.approx(100)
    assert chrf(texts, texts).value == pytest.approx(100)


def test_the_signature_tells_casing_and_tokeniser():
    pair = (["A b c d e"], ["A b c d f"])
    assert "case:mixed" in bleu(*pair, tokenize="13a").signature
    assert "case:lc" in bleu_tok_lc(*pair, tokenize="13a").signature
    assert "tok:zh" in bleu(*pair, tokenize="zh").signature


def test_casing_counts_in_the_main_score_only():
    pair = (["THE CAT SAT ON THE MAT"], ["the cat sat on the mat"])
    assert bleu(*pair, tokenize="13a").value < 1
    assert bleu_tok_lc(*pair, tokenize="13a").value == pytest.approx(100)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("zh", "zh"),
        ("zh-Hant", "zh"),
        ("zh_CN", "zh"),
        ("ja", "char"),
        ("ko-KR", "char"),
        ("th", "char"),
        ("de", "13a"),
        ("en-GB", "13a"),
    ],
)
def test_tokeniser_of_a_language(language, expected):
    assert bleu_tokenizer(language) == expected


@pytest.mark.parametrize("function", [bleu, bleu_tok_lc])
def test_nothing_to_score_is_refused(function):
    with pytest.raises(ValueError, match="at least one"):
        function([], [], tokenize="13a")


def test_line_counts_that_differ_are_refused():
    with pytest.raises(ValueError, match="1 hypotheses for 2 references"):
        chrf(["a"], ["a", "b"])


def test_importing_the_module_does_not_import_sacrebleu():
    code = "import sys, seq2seq_lab.metrics.table as _; print('sacrebleu' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("references", "language", "expected"),
    [
        (["one two three", "one"], "en", True),
        (["one", "one two three", "one two three four"], "en", False),  # the last one decides
        (["九", "九万八千"], "zh", False),
        (["九", "九万八"], "zh", True),
        (["a b, c"], "en", False),  # the comma is a token
    ],
)
def test_one_reference_of_four_tokens_is_enough_for_bleu(references, language, expected):
    assert too_short_for_bleu(references, language) is expected
