"""tools/analysis_tools/complexity.py: the papers' cells, the committed page, configs, and its errors."""

import json
import re
from pathlib import Path

import pytest

import se_backbones
from helpers import load_tool

ROOT = Path(__file__).resolve().parents[2]
PAGE = 'docs/complexity.md'


@pytest.fixture(scope='module')
def tool():
    return load_tool('complexity')


@pytest.fixture(scope='module')
def paper(tool, tmp_path_factory):
    """The folder in which ``--paper`` has written its page and its data."""
    folder = tmp_path_factory.mktemp('paper')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tool.main(['--paper', '--write', PAGE, '--json', 'paper.json'])
    return folder


def test_committed_page_is_what_the_tool_writes(paper):
    assert (ROOT / PAGE).read_text() == (paper / PAGE).read_text(), \
        'run: se-backbones analyse complexity --paper --write docs/complexity.md'


def test_every_table_with_costs_is_covered(paper):
    cells = json.loads((paper / 'paper.json').read_text())['cells']
    count = {}
    for cell in cells:
        count[cell['table']] = count.get(cell['table'], 0) + 1
    assert count == {'SE Table II': 16, 'SE Table III': 8, 'SE Table X': 6, 'SE Table XIII': 10, 'SE Table XV': 4,
                     'SE Table XVI': 6, 'GE Table 1': 10, 'GE Table 2': 12, 'GE Table 3': 12, 'GE Table 4': 14}


def test_no_cell_differs_without_a_known_reason(paper):
    cells = json.loads((paper / 'paper.json').read_text())['cells']
    assert [cell for cell in cells if cell['kind'] != 'agrees' and not cell['reason']] == []


def test_a_reason_is_given_only_where_the_cell_does_not_agree(paper):
    data = json.loads((paper / 'paper.json').read_text())
    for cell in data['cells'] + data['alternatives']:
        assert cell['kind'] in ('agrees', 'differs', 'not reproducible')
        assert not (cell['kind'] == 'agrees' and cell['reason']), cell
        assert cell['reproducible'] == (cell['kind'] != 'not reproducible')


def test_page_begins_with_the_conventions_and_the_cells_that_agree_under_each(tool, paper):
    head = (paper / PAGE).read_text().partition('\n## ')[0]
    data = json.loads((paper / 'paper.json').read_text())
    for name, text in data['conventions'].items():
        cells = [cell for cell in data['cells'] if cell['table'].startswith(name)]
        agree = sum(cell['kind'] == 'agrees' for cell in cells)
        assert f'| {name} | {text} |' in head
        assert f'{name} paper: {agree} of {len(cells)} cells agree to the printed digit (' in head
    assert list(data['conventions']) == ['SE', 'GE']


def test_classifier_is_counted_as_a_whole(tool, tmp_path, capsys):
    config = se_backbones.config_path('digits/resnet18_se.py')
    tool.main([config, '--input-size', '32', '--stages', '--json', str(tmp_path / 'costs.json')])
    with pytest.raises(SystemExit, match='costs.json exists and is not overwritten'):
        tool.main([config, '--json', str(tmp_path / 'costs.json')])
    parts = json.loads((tmp_path / 'costs.json').read_text())[config]
    assert parts['model']['total']['parameters'] - parts['backbone']['total']['parameters'] == 128 * 10 + 10
    assert parts['model']['not_run'] == [] and parts['model']['left_out'] == {}
    out = capsys.readouterr().out
    assert 'stages[3], SqueezeExcite' in out and 'head, plain' in out


def test_one_stage_detector_is_counted_as_a_whole(tool, tmp_path):
    config = se_backbones.config_path('examples/retinanet_se_r50.py')
    tool.main([config, '--input-size', '64x96', '--json', str(tmp_path / 'costs.json')])
    model = json.loads((tmp_path / 'costs.json').read_text())[config]['model']
    # RetinaNet's head, by hand: 4 + 4 convolutions of 256 channels, 9 anchors of 80 classes and 4 sides, on 5 maps
    positions = 8 * 12 + 4 * 6 + 2 * 3 + 1 * 2 + 1 * 1
    assert model['by_place']['bbox_head']['multiply_adds'] == 9 * 256 * (8 * 256 + 9 * (80 + 4)) * positions


def test_two_stage_detector_tells_what_is_left_out(tool, tmp_path, capsys):
    config = se_backbones.config_path('digits/faster_rcnn_ge_r18.py')
    tool.main([config, '--input-size', '128', '--json', str(tmp_path / 'costs.json')])
    model = json.loads((tmp_path / 'costs.json').read_text())[config]['model']
    assert model['not_run'] == ['rpn_head', 'roi_head']
    assert model['by_place']['roi_head']['parameters'] > 0 == model['by_place']['roi_head']['multiply_adds']
    assert model['by_place']['neck']['multiply_adds'] > 0
    assert 'without the work of rpn_head, roi_head' in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'message'), [
    ([], 'give config files, or --paper'),
    (['--paper', 'some.py'], 'give config files, or --paper'),
    (['--paper', '--stages'], '--input-size and --stages have no effect with --paper'),
    (['some.py', '--write', 'page.md'], '--write needs --paper'),
    (['some.py', '--input-size', '8,9'], "'8,9' is neither a number of pixels nor HEIGHTxWIDTH"),
])
def test_wrong_options_are_refused(tool, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        tool.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(('text', 'message'), [
    (None, 'error: There is no config file .*config.py.$'),
    ('lr = 1', 'error: .*config.py has no model'),
    ("model = dict(type='se_backbones.ResNot')", "error: .*'se_backbones.ResNot' is not in the model registry"),
    ("model = dict(type='se_backbones.ResNet', depth=51)", 'error: .*depth must be one of 18, 34, 50'),
    ("model = dict(type='se_backbones.ResNet', depth=18, "
     "context=dict(op=dict(type='GatherExcite', variant='theta')))", 'error: ResNet cannot be counted at 64x64'),
])
def test_wrong_configs_are_one_line(tool, tmp_path, text, message):
    config = tmp_path / 'config.py'
    if text is not None:
        config.write_text(text)
    with pytest.raises(SystemExit) as raised:
        tool.main([str(config), '--input-size', '64'])
    assert re.match(message, str(raised.value)) and '\n' not in str(raised.value)
