"""Configs that train in two seconds on a handful of single digits, and the tool that trains a matrix of them."""

import sys
from pathlib import Path

import pytest

import se_backbones
from se_backbones.lab.digits import make_cluttered_digits

TOOL = Path(se_backbones.config_path()).parent / 'tools' / 'analysis_tools' / 'run_matrix.py'
PLAIN = """
_base_ = {base!r}
model = dict(backbone=dict(depth=(1,), num_stages=1, base_channels=2), head=dict(in_channels=8))
train_dataloader = dict(batch_size=10, dataset=dict(data_root={data!r}))
val_dataloader = dict(batch_size=20, dataset=dict(data_root={data!r}))
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = []
"""
SE = """
_base_ = './plain.py'
model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=4))))
"""
LIST = """
what = 'top-1'
metric = 'accuracy/top1'
baseline = 'plain.py'
[[table]]
name = 'Operators'
rows = [{row = 'none', config = 'plain.py'}, {row = 'SE, ratio 4', config = 'se.py'}]
[[table]]
name = 'Again'
rows = [{row = 'SE', config = 'se.py'}]
"""


@pytest.fixture(scope='session')
def digits(tmp_path_factory):
    return make_cluttered_digits(tmp_path_factory.mktemp('data') / 'cluttered', num_train=40, num_val=20).root


@pytest.fixture
def configs(tmp_path, digits):
    """A folder with plain.py, se.py and matrix.toml, which lists both."""
    folder = tmp_path / 'configs'
    folder.mkdir()
    base = se_backbones.config_path('digits/ablation/classifier_plain.py')
    (folder / 'plain.py').write_text(PLAIN.format(base=base, data=str(digits)))
    (folder / 'se.py').write_text(SE)
    (folder / 'matrix.toml').write_text(LIST)
    return folder


@pytest.fixture
def command():
    """Return a function that gives the command line of the tool."""
    def build(*argv):
        return [sys.executable, '-W', 'ignore', str(TOOL), *map(str, argv)]
    return build
