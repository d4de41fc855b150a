"""`analyse redraw`: what took long to measure is drawn again from its JSON file, in the format that is asked for."""

import json
import shutil
from pathlib import Path

import pytest

import se_backbones
from se_backbones.lab.analysis.importance import Importance
from se_backbones.lab.sweep import read_sweep, summarise

DOCS = Path(__file__).parents[2] / 'docs'


@pytest.mark.parametrize('name', ['benchmarks/cpu_training', 'benchmarks/cpu_scaling'])
def test_the_measurements_of_the_docs_are_drawn_as_vectors(tool, tmp_path, name):
    tool('redraw', DOCS / f'{name}.json', '--out', tmp_path / 'a.svg')
    assert (tmp_path / 'a.svg').read_text().rstrip().endswith('</svg>')


def test_a_sweep_is_drawn_as_vectors(tool, tmp_path):
    sweep = read_sweep([se_backbones.config_path('fashion_mnist/operators.toml')])
    data = summarise(sweep, sweep.runs(range(5), DOCS / 'evidence/fashion_mnist'))
    (tmp_path / 'matrix.json').write_text(json.dumps(data))
    tool('redraw', tmp_path / 'matrix.json', '--format', 'svg')
    assert (tmp_path / 'matrix.svg').read_text().rstrip().endswith('</svg>')


@pytest.mark.parametrize(('name', 'changes'), [
    ('cpu_detector', {}), ('cpu_scaling', dict(phase='infer')), ('cpu_scaling', dict(layout='channels_last'))])
def test_runs_that_differ_in_more_than_the_size_are_no_line_over_the_size(tool, tmp_path, monkeypatch, name, changes):
    data = json.loads((DOCS / 'benchmarks' / f'{name}.json').read_text())
    first = data['runs'][0]
    data['runs'] = [first, {**first, 'setting': {**first['setting'], 'size': 640, **changes}}]
    (tmp_path / 'a.json').write_text(json.dumps(data))
    monkeypatch.setattr('se_backbones.lab.benchmark.charts.scaling_chart', lambda *_: pytest.fail('a line'))
    tool('redraw', tmp_path / 'a.json')
    assert (tmp_path / 'a.png').stat().st_size


def test_the_picture_lies_beside_its_file_and_is_not_written_over(tool, tmp_path):
    data = Importance('coco/bbox_mAP', [0, 1], {'SE_5_3': dict(ascending=[0.5, 0.4], descending=[0.5, 0.4])})
    (tmp_path / 'importance.json').write_text(json.dumps(data.as_dict()))
    tool('redraw', tmp_path / 'importance.json', '--format', 'pdf')
    assert (tmp_path / 'importance.pdf').read_bytes().startswith(b'%PDF')
    with pytest.raises(SystemExit, match=r'importance\.pdf exists and is not overwritten'):
        tool('redraw', tmp_path / 'importance.json', '--format', 'pdf')


@pytest.mark.parametrize(('content', 'message'), [
    ('{"loss": [1]}', 'is not a result of importance, sweep or benchmark'), ('[1]', 'is not a result of importance'),
    ('no json', 'Expecting value')])
def test_other_files_are_named_in_one_line(tool, tmp_path, content, message):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(SystemExit, match=message):
        tool('redraw', tmp_path / 'a.json')
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    with pytest.raises(SystemExit, match='No such file'):
        tool('redraw', tmp_path / 'a.json')
