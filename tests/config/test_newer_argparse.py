"""Hydra's options on Python 3.14, whose argparse checks each help text; the check is simulated on older versions."""

import argparse

import pytest
from hydra._internal.utils import get_args_parser

from seq2seq_lab.config import newer_argparse

ADD = argparse._ActionsContainer.add_argument


@pytest.fixture
def checking(monkeypatch):
    """Let every option that is added be checked as Python 3.14 does."""

    def check(parser, action):
        if action.help and "%" in action.help and not isinstance(action.help % {"prog": ""}, str):
            raise ValueError("badly formed help string")

    def add(parser, *words, **settings):
        action = ADD(parser, *words, **settings)
        parser._check_help(action)
        return action

    monkeypatch.setattr(argparse.ArgumentParser, "_check_help", check, raising=False)
    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", add)
    monkeypatch.setattr(newer_argparse, "_check", check)


def test_hydras_options_are_made_although_a_help_text_is_an_object(checking):
    with pytest.raises(TypeError):
        get_args_parser()
    newer_argparse.let_help_be_an_object()
    assert get_args_parser().parse_args(["--cfg", "job"]).cfg == "job"


def test_the_help_of_others_is_checked_as_before(checking):
    newer_argparse.let_help_be_an_object()
    with pytest.raises((ValueError, TypeError, KeyError)):
        argparse.ArgumentParser().add_argument("--x", help="100 %(no)s")
