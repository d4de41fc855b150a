"""Shared by all tests: fixed seeds, nothing global that leaks from one test to the next, small images."""

import os
import warnings

# Waiting threads sleep instead of spinning: tests share two cores with the processes that they start.
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import pytest  # noqa: E402
import torch  # noqa: E402

if not torch.cuda.is_available():
    # Triton decides when its kernels are defined: without a GPU its interpreter runs them.
    os.environ.setdefault('TRITON_INTERPRET', '1')

from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.visualization import Visualizer  # noqa: E402


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _globals_are_restored():
    """A Runner leaves its default scope and its visualizer behind: they would serve the next test's Runner too."""
    scopes = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)
    for kind in _kinds_of(Visualizer):
        kind._instance_dict.clear()


def _kinds_of(cls):
    yield cls
    for kind in cls.__subclasses__():
        yield from _kinds_of(kind)


@pytest.fixture
def images():
    """Two images of an odd size, ``(2, 3, 65, 49)``."""
    return torch.randn(2, 3, 65, 49)


def pytest_configure(config):
    # The networks are tiny: handing work to a second thread costs more than it saves.
    torch.set_num_threads(1)
    warnings.filterwarnings('ignore', message='.*pkg_resources.*')
