"""Shared by all tests: fixed seeds, nothing global that leaks from one test to the next, small images."""

import copy
import functools
import gc
import importlib.util
import os
import random
import warnings
from pathlib import Path

# Waiting threads sleep instead of spinning: tests share two cores with the processes that they start.
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
if 'PYTEST_XDIST_WORKER' in os.environ:
    # The other cores are other tests', also for processes that a test starts.
    os.environ.setdefault('OMP_NUM_THREADS', '1')

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

pytest.register_assert_rewrite('helpers', 'processes')

if not torch.cuda.is_available():
    # Triton decides when its kernels are defined: without a GPU its interpreter runs them.
    os.environ.setdefault('TRITON_INTERPRET', '1')

from mmengine.config import Config  # noqa: E402
from mmengine.config import utils as config_utils  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.visualization import Visualizer  # noqa: E402
from yapf.yapflib import yapf_api  # noqa: E402

import se_backbones  # noqa: E402
from helpers import load_tool  # noqa: E402
from se_backbones.lab.digits import make_digit_scenes, make_single_digits  # noqa: E402


@pytest.fixture(autouse=True)
def _seed():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _globals_are_restored():
    """A Runner leaves its default scope and its visualizer behind: they would serve the next test's Runner too.

    So do fixtures of modules, whose tests may come in any order.
    """
    DefaultScope._instance_dict.clear()
    yield
    for kind in _kinds_of(Visualizer):
        kind._instance_dict.clear()


def _kinds_of(cls):
    yield cls
    for kind in cls.__subclasses__():
        yield from _kinds_of(kind)


@pytest.fixture
def tmp_path(tmp_path_factory):
    """A folder with a space in its path, as users have; no word of the test is in it, which ``match=`` would find."""
    return tmp_path_factory.mktemp('a b')


@pytest.fixture
def images():
    """Two images of an odd size, ``(2, 3, 65, 49)``."""
    return torch.randn(2, 3, 65, 49)


@pytest.fixture
def log(monkeypatch):
    """What any logger of mmengine says, as ``(level, text)``."""
    lines, call = [], MMLogger.callHandlers

    def heard(self, record):
        lines.append((record.levelname, record.getMessage()))
        return call(self, record)
    monkeypatch.setattr(MMLogger, 'callHandlers', heard)
    return lines


@pytest.fixture(scope='session')
def tool():
    """Return a function that runs a tool's main() in this process: ``tool('export', 'config.py', ...)``."""
    def run(name, *argv):
        return load_tool(name).main([str(word) for word in argv])
    return run


@pytest.fixture(scope='session')
def triton_loops():
    """Loops of interpreted kernels: Triton 3.6 calls int() on arrays of one value, which numpy 2.4 refuses."""
    if not importlib.util.find_spec('triton'):
        return
    from triton.runtime import interpreter
    patch = interpreter._patch_lang_tensor

    def patched(tensor, scope):
        patch(tensor, scope)
        scope.set_attr(tensor, '__index__', lambda self: self.handle.data.item())
    interpreter._patch_lang_tensor = patched


@pytest.fixture(scope='session')
def scenes(tmp_path_factory):
    """Digit scenes of 96 px: 16 + 6."""
    return make_digit_scenes(tmp_path_factory.mktemp('data') / 'scenes', num_train=16, num_val=6, size=96).root


@pytest.fixture(scope='session')
def digits(tmp_path_factory):
    """The single digits of 32 px."""
    return make_single_digits(tmp_path_factory.mktemp('data') / 'digits').root


def pytest_xdist_auto_num_workers(config):
    """Single files start sooner without other processes, and slow tests use all cores themselves."""
    whole = all(Path(argument.partition('::')[0]).is_dir() for argument in config.args)
    if not whole or 'not slow' not in config.option.markexpr:
        return 0
    return None  # one for each core


def pytest_configure(config):
    # The same inputs on every machine, however slow it is.
    hypothesis.settings.register_profile('same', derandomize=True, database=None, deadline=None,
                                         suppress_health_check=list(hypothesis.HealthCheck))
    hypothesis.settings.load_profile('same')
    # The networks are tiny: handing work to a second thread costs more than it saves.
    torch.set_num_threads(1)
    _read_shipped_configs_once()
    _format_configs_once()
    warnings.filterwarnings('ignore', message='.*pkg_resources.*')


def _read_shipped_configs_once():
    """Without this, mmengine reads all bases of a config anew, and a hundred metafiles for each base like mmdet::..."""
    read, shipped = Config._file2dict, (se_backbones.config_path(), f'{os.sep}.mim{os.sep}')
    read_once = functools.cache(read)

    def file2dict(filename, *args, **kwargs):
        if any(part in str(filename) for part in shipped):
            return copy.deepcopy(read_once(filename, *args, **kwargs))
        return read(filename, *args, **kwargs)
    Config._file2dict = staticmethod(file2dict)
    config_utils.load = functools.cache(config_utils.load)


def _format_configs_once():
    """A Runner has the text of one config formatted five times, half a second each."""
    format_code, formatted = yapf_api.FormatCode, {}

    def format_once(text, **options):
        key = text, repr(options)
        if key not in formatted:
            formatted[key] = format_code(text, **options)
        return formatted[key]
    yapf_api.FormatCode = format_once


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    has_gpu = torch.cuda.is_available()
    for item in items:
        if item.get_closest_marker('any_device') and has_gpu:
            item.add_marker(pytest.mark.gpu)
        elif item.get_closest_marker('gpu') and not has_gpu:
            item.add_marker(pytest.mark.skip(reason='needs a GPU'))


def pytest_collection_finish():
    # What has been imported stays: without a million objects to walk over, gc.collect() takes no second.
    gc.collect()
    gc.freeze()
