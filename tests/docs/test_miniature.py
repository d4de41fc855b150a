"""The page about the small-scale ablations shows what the runs found, which is kept beside it."""

import json
from pathlib import Path

import se_backbones
from se_backbones.lab.sweep import read_sweep, to_markdown

DOCS = Path(se_backbones.config_path()).parent / 'docs'
FOLDER = Path(se_backbones.config_path('digits/ablation'))


def test_the_tables_are_those_of_the_runs():
    data = json.loads((DOCS / 'miniature_classifier.json').read_text())
    assert to_markdown(data, '../configs/digits/ablation') in (DOCS / 'miniature.md').read_text()
    # Every config that is shipped was run.
    assert set(data['configs']) == set(read_sweep([FOLDER / 'classifier.toml']).configs)
