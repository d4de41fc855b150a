"""A small dataset in COCO's layout, and the tools as functions."""

import itertools

import pytest

from helpers import load_tool
from se_backbones.lab.digits import make_digit_scenes

_runs = itertools.count()


@pytest.fixture(scope='session')
def coco(tmp_path_factory):
    """A folder in COCO 2017's layout and with its 80 classes: 24 + 6 digit scenes of 96 px."""
    return make_digit_scenes(tmp_path_factory.mktemp('data') / 'coco', num_train=24, num_val=6, size=96,
                             layout='coco2017').root


@pytest.fixture(scope='session')
def tool():
    """Return a function that runs a tool's main() in this process: ``tool('train', 'config.py', '--resume')``."""
    def run(name, *argv):
        argv = [str(word) for word in argv]
        if name in ('train', 'test'):
            # Runs that start within a second would share an experiment name, which mmengine refuses.
            options = argv.index('--cfg-options') + 1 if '--cfg-options' in argv else None
            unique = f'experiment_name=test_{next(_runs)}'
            argv = [*argv[:options], unique, *argv[options:]] if options else [*argv, '--cfg-options', unique]
        return load_tool(name).main(argv)
    return run
