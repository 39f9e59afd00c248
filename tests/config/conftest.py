"""The package my_lab, an extension, as it is installed."""

import pytest

from support.extension_packages import install, on_path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where my_lab is installed."""
    place = tmp_path_factory.mktemp("site")
    install(place)
    return place


@pytest.fixture
def my_lab(folder):
    with on_path(folder):
        yield folder / "my_lab"
