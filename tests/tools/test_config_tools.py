"""The tools that show configs, data and logs."""

import pytest
from mmengine.config import Config
from PIL import Image

import se_backbones


def test_print_config_shows_what_is_inherited_and_overridden(tool, tmp_path, capsys):
    file = tmp_path / 'whole.py'
    tool('print_config', se_backbones.config_path('digits/mask_rcnn_ge_r18.py'), '--save', file, '--cfg-options',
         'model.backbone.base_channels=24')
    printed = capsys.readouterr().out
    assert "type='MaskRCNN'" in printed and 'base_channels=24' in printed and '_base_' not in printed
    assert Config.fromfile(file).model.backbone.base_channels == 24
    with pytest.raises(SystemExit, match='--save takes a new file'):
        tool('print_config', se_backbones.config_path('digits/mask_rcnn_ge_r18.py'), '--save', file)


@pytest.mark.parametrize(('config', 'root'), [
    ('mask_rcnn_ge_r18.py', 'scenes'), ('fcn_ge_r18.py', 'scenes'), ('resnet18_se.py', 'digits')])
def test_browse_dataset_draws_the_chosen_split_of_each_host(tool, request, tmp_path, config, root):
    if config.startswith('fcn'):
        pytest.importorskip('mmseg', reason='mmseg is not installed (the extra [seg])')
    tool('browse_dataset', se_backbones.config_path(f'digits/{config}'), '--split', 'val', '-n', 2, '--out-dir',
         tmp_path, '--cfg-options', f'val_dataloader.dataset.data_root={request.getfixturevalue(root)}')
    drawn = sorted(tmp_path.iterdir())
    assert len(drawn) == 2
    for file in drawn:
        with Image.open(file) as image:
            assert min(image.size) >= 32 and len(image.convert('L').getcolors()) > 10


def test_browse_dataset_says_what_is_missing(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match='se-backbones data digits --kind digits'):
        tool('browse_dataset', se_backbones.config_path('digits/resnet18_se.py'))
