"""The page on real images shows what the runs found, which are kept beside it."""

import json
import math
import statistics
from pathlib import Path

import pytest

import se_backbones
from se_backbones.lab.sweep import read_sweep, summarise, to_markdown

CONFIGS = Path(se_backbones.config_path())
DOCS = CONFIGS.parent / 'docs'
# The list, where its results are, and the folder of its configs.
SWEEPS = {'fashion_mnist/operators': ('fashion_mnist', 'fashion_mnist'),
          'fashion_mnist/larger': ('fashion_mnist', 'fashion_mnist'),
          'fashion_mnist/ratios': ('fashion_mnist', 'fashion_mnist'),
          'fashion_mnist/placements': ('fashion_mnist', 'fashion_mnist'),
          'fashion_mnist/extents': ('fashion_mnist', 'fashion_mnist'),
          'digits/operators': ('digits_operators', 'digits'),
          'trees/operators': ('trees_operators', 'trees'),
          'digits/insertion': ('digits_insertion', 'digits/insertion'),
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


def analysis(name):
    """Return what an analysis of the gates wrote, by seed."""
    return [json.loads((DOCS / 'evidence' / 'fashion_mnist_gates' / f'seed_{seed}' / f'{name}.json').read_text())
            for seed in range(5)]


def test_the_table_of_selectivity_is_that_of_the_analyses():
    for stage, block in (('first', 'conv2_2'), ('second', 'conv3_2'), ('last', 'conv4_2')):
        plain = [statistics.fmean(found['plain']['index'][block]) for found in analysis('selectivity_se')]
        cells = [f'{statistics.fmean(plain):.3f}']
        for name, label in (('se', 'SE'), ('ge_theta', 'theta')):
            own = [statistics.fmean(found[label]['index'][block]) for found in analysis(f'selectivity_{name}')]
            apart = [a - b for a, b in zip(own, plain, strict=True)]
            error = statistics.stdev(apart) / math.sqrt(len(apart))
            cells += [f'{statistics.fmean(own):.3f}', f'{statistics.fmean(apart):+.3f} ± {error:.3f}']
        assert f'| {stage} stage | {" | ".join(cells)} |' in (DOCS / 'evidence.md').read_text()


@pytest.mark.parametrize('name', ['SE_2_2', 'SE_3_2', 'SE_4_2'])
def test_the_table_of_importance_is_that_of_the_analyses(name):
    cells = []
    for found, gates in zip(analysis('importance_se'), analysis('excitations_se'), strict=True):
        half, order = found['ratios'].index(0.5), found['operators'][name]
        cell = f'{order["ascending"][half]:.1f} / {order["descending"][half]:.1f}'
        constant = max(max(values) for values in gates['operators'][name]['std'].values()) < 1e-6
        cells.append(f'*{cell}*' if constant else cell)
    assert f'| `{name}` | {" | ".join(cells)} |' in (DOCS / 'evidence.md').read_text()
