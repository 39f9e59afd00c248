"""Language codes."""

import pytest

from seq2seq_lab.data.language import comma, locale_name, number_language, semicolon


@pytest.mark.parametrize("code", ["zh-Hant", "zh_Hant", "zh_hant", "ZH-HANT"])
def test_codes_are_found_however_they_are_written(code):
    assert number_language("target_language", code) == "zh_Hant"


@pytest.mark.parametrize(("code", "guess"), [("german", "de"), ("zh-TW", "zh"), ("en-XX", "en")])
def test_an_unknown_code_brings_close_ones(code, guess):
    with pytest.raises(ValueError, match=rf"source_language={code}: .*did you mean .*\b{guess}\b"):
        number_language("source_language", code)


def test_a_code_close_to_none_brings_common_ones():
    with pytest.raises(ValueError, match=r"among them .*zh"):
        locale_name("target_language", "qqq")


def test_rule_files_without_rules_are_no_language():
    for code in ("root", "nb"):
        with pytest.raises(ValueError, match="must be one of"):
            number_language("source_language", code)


def test_region_and_script_do_not_change_the_separators():
    assert comma("zh_Hant") == comma("zh-CN") == "，"
    assert semicolon("ja") == "；"
    assert (comma("en"), semicolon("de")) == (", ", "; ")
