"""tools/analysis_tools/benchmark.py: options that do not go together are one sentence, results are written once."""

import json
import re
import sys
from pathlib import Path

import pytest

import se_backbones
from helpers import load_tool
from se_backbones.lab.benchmark import presets
from se_backbones.lab.benchmark.networks import networks
from se_backbones.lab.benchmark.settings import LAYOUTS, PRECISIONS

TOOL = Path(se_backbones.config_path()).parent / 'tools' / 'analysis_tools' / 'benchmark.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the tool in this process and returns what it prints, errors if it is to stop."""
    module = load_tool('benchmark')

    def run(*options, stops=False):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, options)])
        if not stops:
            module.main()
            return capsys.readouterr().out
        with pytest.raises(SystemExit, match='2'):
            module.main()
        return capsys.readouterr().err.strip().splitlines()[-1]
    run.module = module
    return run


@pytest.mark.parametrize(('options', 'said'), [
    (('--networks', 'ours SEE'), "no 'ours SEE'; there are mmpretrain ResNet, .* Did you mean 'ours SE'"),
    (('--fold',), '--fold needs --phase infer'),
    (('--chart-scaling', 'x.png'), 'give several values of --size or --batch'),
    (('--chart-scaling', 'x.png', '--size', 32, 64, '--phase', 'train', 'infer'), 'and one of the other options'),
    (('--chart-scaling', 'x.png', '--size', 32, 64, '--batch', 4, 1), 'no two of which make the same number'),
    (('--detector', '--size', 64, 96, '--chart-scaling', 'x.png'), '--chart-scaling changes nothing of --detector'),
    (('--detector', '--precision', 'bf16'), '--precision changes nothing of --detector, which takes --size, --batch'),
    (('--ops', '--detector'), '--detector changes nothing of --ops'),
    (('--ops', '--size', 64), '--size changes nothing of --ops'),
    (('--preset', 'gpu', '--rounds', 3), '--rounds changes nothing of --preset'),
    (('--quick',), '--quick needs --preset'),
    (('--preset', 'gpu', '--device', 'cpu', '--quick', '--json', __file__), 'exists; name another file'),
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


def test_functions_are_timed_with_each_value_that_is_given(run, monkeypatch):
    from se_backbones.lab.benchmark import operators
    monkeypatch.setattr(operators, 'MAPS', ((8, 8),))
    said = run('--ops', '--rounds', 1, '--batch', 1, 2, '--layout', 'nchw', 'channels_last')
    for setting in ('1 images, float32, nchw', '2 images, float32, nchw', '1 images, float32, channels_last',
                    '2 images, float32, channels_last'):
        assert said.count(setting) == 1


def test_a_preset_writes_what_it_has_when_time_ends(run, tmp_path, monkeypatch):
    files = tmp_path / 'a.json', tmp_path / 'a.md'
    setting = presets.Setting('infer', 32, 2, rounds=1)
    tried = (presets.Run(setting, ('ours plain', 'ours SE'), least_seconds=0),
             presets.Run(setting, ('ours plain',), least_seconds=1000))
    monkeypatch.setattr(run.module, 'quick', lambda runs, device: tried)
    said = run('--preset', 'gpu', '--device', 'cpu', '--quick', '--minutes', 5, '--json', files[0], '--markdown',
               files[1])
    assert 'are left: not measured: inference, 2 x 32 px' in ' '.join(said.split())
    result = json.loads(files[0].read_text())
    assert [list(run['networks']) for run in result['runs']] == [['ours plain', 'ours SE']]
    assert files[1].read_text().startswith('---\norphan: true')


def test_a_preset_names_networks_and_settings_that_there_are():
    known = networks(224)
    for runs in presets.PRESETS.values():
        for run in [*runs, *presets.quick(runs, 'cpu')]:
            assert all(name.removesuffix(presets.AS_WRITTEN) in known for name in run.names)
            assert run.setting.layout in LAYOUTS and run.setting.precision in PRECISIONS
            assert run.setting.width is None or not {'ours GE theta', 'ours GE theta-plus'} & set(run.names)


@pytest.mark.slow
def test_the_gpu_preset_can_be_tried_without_one(run, tmp_path):
    file = tmp_path / 'a.json'
    run('--preset', 'gpu', '--device', 'cpu', '--quick', '--minutes', 60, '--json', file)
    result = json.loads(file.read_text())
    assert len(result['runs']) == 6 and {row['setting'] for row in result['operators']} == {
        '2 images, float32, channels_last, cpu', '2 images, float32, nchw, cpu'}
