"""`analyse redraw`: what took long to measure is drawn again from its JSON file, in the format that is asked for."""

import json
import shutil
from pathlib import Path

import pytest

from se_backbones.lab.analysis.importance import Importance

DOCS = Path(__file__).parents[2] / 'docs'


@pytest.mark.parametrize('name', ['benchmarks/cpu_training', 'benchmarks/cpu_scaling', 'miniature_classifier'])
def test_the_measurements_of_the_docs_are_drawn_as_vectors(tool, tmp_path, name):
    tool('redraw', DOCS / f'{name}.json', '--out', tmp_path / 'a.svg')
    assert (tmp_path / 'a.svg').read_text().rstrip().endswith('</svg>')


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
