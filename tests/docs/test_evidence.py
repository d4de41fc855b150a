"""The page on real images shows what the runs found, which are kept beside it."""

from pathlib import Path

import se_backbones
from se_backbones.lab.sweep import read_sweep, summarise, to_markdown

DOCS = Path(se_backbones.config_path()).parent / 'docs'
RESULTS = DOCS / 'evidence' / 'fashion_mnist'
SWEEP = read_sweep([se_backbones.config_path('fashion_mnist/operators.toml')])
RUNS = SWEEP.runs(range(5), RESULTS)


def test_the_tables_are_those_of_the_runs():
    table = to_markdown(summarise(SWEEP, RUNS), '../configs/fashion_mnist')
    shown = f'<!-- operators: made by se-backbones analyse sweep -->\n\n{table}\n<!-- end of operators -->'
    assert shown in (DOCS / 'evidence.md').read_text()


def test_the_configs_are_still_those_of_the_runs():
    done = [run for run in RUNS if run.result()]
    assert done and all(run.result()['digest'] == run.digest() for run in done)


def test_the_plain_network_is_as_good_as_the_recipe_was_to_make_it():
    assert summarise(SWEEP, RUNS)['configs'][SWEEP.baseline]['mean'] >= 92.5
