import pytest

from seq2seq_lab.data.detokenize import detokenize, primary_language


@pytest.mark.parametrize(
    ("language", "tokens", "text"),
    [
        ("en", "A man , a dog .", "A man, a dog."),
        ("en", "He does n't like the man 's hat .", "He doesn't like the man's hat."),
        ("en", "the boys ' room", "the boys' room"),
        ("en", 'a sign " no entry " .', 'a sign "no entry".'),
        ("en", "one ( or two ) of # 5", "one (or two) of #5"),
        ("en", "a t - shirt", "a t-shirt"),
        ("en", "a sign saying 'free", "a sign saying 'free"),
        ("de", "ein Schild „ Halt “ , gelb", "ein Schild „Halt“, gelb"),
        ("de", "Berlin – Köln", "Berlin – Köln"),
        ("fr", "l' homme d' affaires , qu' il voit", "l'homme d'affaires, qu'il voit"),
        ("fr", "Vraiment ? Oui !", "Vraiment ? Oui !"),
        ("fr", "un « mot » .", "un « mot »."),
        ("zh", "我 喜 欢 猫 。", "我喜欢猫。"),
        ("ja", "猫 が 好き", "猫が好き"),
        ("en", "", ""),
    ],
)
def test_tokens_become_readable_text(language: str, tokens: str, text: str):
    assert detokenize(tokens.split(), language, hyphen_joins=language != "de") == text


def test_a_hyphen_between_words_stays_apart_where_the_cutter_leaves_words_whole():
    assert detokenize(["A", "-", "B"], "de", hyphen_joins=False) == "A - B"


def test_an_unclosed_quotation_mark_does_not_reach_the_next_text():
    assert detokenize(['"', "a"], "en", hyphen_joins=True) == '"a'
    assert detokenize(['"', "a"], "en", hyphen_joins=True) == '"a'


@pytest.mark.parametrize("code", ["zh", "zh-CN", "ZH-Hant-TW", "zh_CN"])
def test_the_language_is_the_first_part_of_its_code(code: str):
    assert primary_language(code) == "zh"
