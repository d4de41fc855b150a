"""The page on real images shows what the runs found, which are kept beside it."""

from pathlib import Path

import pytest

import se_backbones
from se_backbones.lab.sweep import read_sweep, summarise, to_markdown

CONFIGS = Path(se_backbones.config_path())
DOCS = CONFIGS.parent / 'docs'
# The list, where its results are, and the folder of its configs.
SWEEPS = {'fashion_mnist/operators': ('fashion_mnist', 'fashion_mnist'),
          'trees/insertion': ('trees_insertion', 'trees/insertion')}


def runs_of(name):
    sweep = read_sweep([CONFIGS / f'{name}.toml'])
    return sweep, sweep.runs(range(5), DOCS / 'evidence' / SWEEPS[name][0])


@pytest.mark.parametrize('name', SWEEPS)
def test_the_tables_are_those_of_the_runs(name):
    table = to_markdown(summarise(*runs_of(name)), f'../configs/{SWEEPS[name][1]}')
    shown = f'<!-- {name}: made by se-backbones analyse sweep -->\n\n{table}\n<!-- end of {name} -->'
    assert shown in (DOCS / 'evidence.md').read_text()


@pytest.mark.parametrize('name', SWEEPS)
def test_the_configs_are_still_those_of_the_runs(name):
    done = [run for run in runs_of(name)[1] if run.result()]
    assert done and all(run.result()['digest'] == run.digest() for run in done)


def test_the_plain_network_is_as_good_as_the_recipe_was_to_make_it():
    sweep, runs = runs_of('fashion_mnist/operators')
    assert summarise(sweep, runs)['configs'][sweep.baseline]['mean'] >= 92.5
