"""tools/analysis_tools/benchmark.py: options that do not go together are one sentence, results are written once."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

import se_backbones

TOOL = Path(se_backbones.config_path()).parent / 'tools' / 'analysis_tools' / 'benchmark.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the tool in this process and returns what it prints, errors if it is to stop."""
    spec = importlib.util.spec_from_file_location('tool_benchmark', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*options, stops=False):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, options)])
        if not stops:
            module.main()
            return capsys.readouterr().out
        with pytest.raises(SystemExit, match='2'):
            module.main()
        return capsys.readouterr().err.strip().splitlines()[-1]
    return run


@pytest.mark.parametrize(('options', 'said'), [
    (('--networks', 'ours SEE'), "no 'ours SEE'; there are mmpretrain ResNet, .* Did you mean 'ours SE'"),
    (('--fold',), '--fold goes with --phase infer'),
    (('--chart-scaling', 'x.png'), 'give several values of --size or --batch'),
    (('--phase', 'test'), "argument --phase: invalid choice: 'test'"),
])
def test_bad_options_are_named(run, options, said):
    assert re.search(said, run(*options, stops=True))


def test_results_are_saved_with_hardware_and_versions_and_never_overwritten(run, tmp_path):
    files = [tmp_path / name for name in ('a.json', 'a.md', 'a.png')]
    options = ('--size', 32, '--batch', 2, '--rounds', 1, '--networks', 'ours plain', 'ours SE',
               '--json', files[0], '--markdown', files[1], '--chart', files[2])
    assert 'ours SE' in run(*options)
    result = json.loads(files[0].read_text())
    assert result['environment']['torch'] and result['environment']['device'] and result['command'].endswith('a.png')
    assert all(file.stat().st_size for file in files)
    assert 'a.json exists; name another file' in run(*options, stops=True)
