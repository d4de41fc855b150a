"""tools/benchmark.py: options that do not go together are one sentence, results are written once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import se_backbones

TOOL = Path(se_backbones.config_path()).parent / 'tools' / 'benchmark.py'


def run(*options, check=True):
    done = subprocess.run([sys.executable, str(TOOL), *map(str, options)], capture_output=True, text=True)
    assert (done.returncode == 0) == check, done.stderr
    return done.stdout if check else done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(('options', 'said'), [
    (('--networks', 'ours SEE'), "no 'ours SEE'; there are mmpretrain ResNet, .* Did you mean 'ours SE'"),
    (('--fold',), '--fold goes with --phase infer'),
    (('--chart-scaling', 'x.png'), 'give several values of --size or --batch'),
    (('--phase', 'test'), "argument --phase: invalid choice: 'test'"),
])
def test_bad_options_are_named(options, said):
    import re
    assert re.search(said, run(*options, check=False))


def test_results_are_saved_with_hardware_and_versions_and_never_overwritten(tmp_path):
    files = [tmp_path / name for name in ('a.json', 'a.md', 'a.png')]
    options = ('--size', 32, '--batch', 2, '--rounds', 1, '--networks', 'ours plain', 'ours SE',
               '--json', files[0], '--markdown', files[1], '--chart', files[2])
    assert 'ours SE' in run(*options)
    result = json.loads(files[0].read_text())
    assert result['environment']['torch'] and result['environment']['device'] and result['command'].endswith('a.png')
    assert all(file.stat().st_size for file in files)
    assert 'a.json exists; name another file' in run(*options, check=False)
