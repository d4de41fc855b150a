"""The names of the categories, without reading what else an annotation file holds."""

import json

import pytest

from se_backbones.engine.checks import annotations
from se_backbones.engine.checks.annotations import categories
from se_backbones.engine.preflight import ConfigProblem

FOUND = [dict(id=1, name='nut'), dict(id=2, name='bolt')]
NAMES = ['nut', 'bolt']


@pytest.fixture
def write(tmp_path):
    def write(content):
        (tmp_path / 'a.json').write_text(content if isinstance(content, str) else json.dumps(content))
        return str(tmp_path / 'a.json')
    return write


@pytest.mark.parametrize('content', [
    dict(images=[], categories=FOUND), dict(categories=FOUND, images=[]),
    dict(categories=FOUND, info=dict(categories=5)), dict(categories=FOUND, images=[dict(name='"categories": []')]),
    '\n {"categories" : ' + json.dumps(FOUND, indent=1) + '} \n',
    dict(categories=[dict(each, keypoints=['a' * 99] * 999) for each in FOUND]),  # more than is looked at at first
], ids=['last', 'first', 'another later', 'in a name', 'spaces', 'long'])
def test_the_file_is_not_parsed(write, monkeypatch, content):
    monkeypatch.delattr(annotations.json, 'loads')
    assert categories(write(content)) == NAMES


@pytest.mark.parametrize('content', [[], dict(images=[]), dict(categories=5), dict(categories=[1, 2]),
                                     dict(categories=[dict(id=1)]), [dict(categories=FOUND)]], ids=str)
def test_other_files_have_none(write, content):
    assert categories(write(content)) is None


def test_categories_that_are_found_only_by_parsing(write):
    assert categories(write('{"categories": ' + ' ' * 2**22 + json.dumps(FOUND) + '}')) == NAMES


@pytest.mark.parametrize('content', ['', '{"categories": [', '{"categories": [{"name": "nut"}]]', 'no json'])
def test_what_is_no_json_is_refused(write, content):
    with pytest.raises(ConfigProblem, match=r'ann_file=.*a\.json is (empty|not JSON)'):
        categories(write(content))


def test_an_evaluator_without_annotations_is_passed_over():
    dataset = dict(type='CocoDataset', ann_file='absent.json', metainfo=dict(classes=('nut',)))
    annotations.check_class_names(dict(default_scope='mmdet', val_dataloader=dict(dataset=dataset),
                                       val_evaluator=dict(type='DumpDetResults', out_file_path='a.pkl')), ('val',))
