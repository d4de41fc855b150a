"""The modules of this folder that try to break things."""

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from helpers import load_module

HERE = Path(__file__).parent


@pytest.fixture(scope='session')
def kills():
    """The module with the killed runs, by a name under which another process finds it."""
    return importlib.import_module('reliability.kills')


@pytest.fixture(scope='session')
def apart():
    """Return a function that calls another one in a process that has computed nothing: its forks are whole."""
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        yield lambda function, *args, **kwargs: pool.submit(function, *args, **kwargs).result()


@pytest.fixture(scope='session')
def measure():
    """The module that runs the tests which record what they tried, and writes the table."""
    return load_module(HERE / 'measure.py')


@pytest.fixture(scope='session')
def long_run():
    """The module that trains for long and notes its memory."""
    return load_module(HERE / 'long_run.py')
