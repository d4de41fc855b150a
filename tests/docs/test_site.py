"""The documentation site builds without a warning, and its notebook runs and is committed with its pictures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / 'docs' / 'tutorial.ipynb'


def pictures(notebook: dict) -> int:
    outputs = [output for cell in notebook['cells'] for output in cell.get('outputs', [])]
    return sum('image/png' in output.get('data', {}) for output in outputs)


def test_the_notebook_is_committed_with_pictures_and_without_errors():
    notebook = json.loads(NOTEBOOK.read_text())
    assert pictures(notebook) >= 4 and NOTEBOOK.stat().st_size < 500_000
    code = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']
    assert [cell['execution_count'] for cell in code] == list(range(1, len(code) + 1))
    assert not any(output['output_type'] == 'error' for cell in code for output in cell['outputs'])


def test_the_notebook_names_no_folder_of_the_machine_that_ran_it():
    text = NOTEBOOK.read_text()
    assert str(ROOT) not in text and '/tmp/' not in text


@pytest.mark.slow
def test_the_notebook_runs():
    """Three minutes are its limit, which docs/notebook.py holds it to."""
    done = subprocess.run([sys.executable, 'docs/notebook.py'], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert pictures(json.loads((ROOT / 'build' / 'tutorial.ipynb').read_text())) >= 4


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run([sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html', 'docs', tmp_path],
                          cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'SqueezeExcite' in (tmp_path / 'api' / 'operators.html').read_text()


def test_github_actions_run_what_ci_runs():
    text = (ROOT / '.github' / 'workflows' / 'ci.yml').read_text()
    steps = [step for job in yaml.safe_load(text)['jobs'].values() for step in job['steps']]
    assert [step['run'] for step in steps if 'run' in step] == ['.ci/run']
