"""How a test of this folder says what it has tried, for the table of docs/reliability.md."""

import importlib.util
from pathlib import Path

import pytest


def _module(name):
    spec = importlib.util.spec_from_file_location(f'reliability_{name}', Path(__file__).with_name(f'{name}.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='session')
def kills():
    """The module with the killed runs."""
    return _module('kills')


@pytest.fixture(scope='session')
def measure():
    """The module that runs the tests which record what they tried, and writes the table."""
    return _module('measure')


@pytest.fixture(scope='session')
def long_run():
    """The module that trains for long and notes its memory."""
    return _module('long_run')
