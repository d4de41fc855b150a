"""Shared by all tests: fixed seeds, no leaking default scope, small images."""

import warnings

import pytest
import torch
from mmengine.registry import DefaultScope


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _default_scope_is_restored():
    """A Runner or `init_detector` leaves its default scope behind, which would change what the next test builds."""
    instances = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(instances)


@pytest.fixture
def images():
    """Two images of an odd size, ``(2, 3, 65, 49)``."""
    return torch.randn(2, 3, 65, 49)


def pytest_configure(config):
    # The networks are tiny: handing work to a second thread costs more than it saves.
    torch.set_num_threads(1)
    warnings.filterwarnings('ignore', message='.*pkg_resources.*')
