"""`se-backbones weights`: what is published, what it needs, what a file is."""

import re

import pytest
import torch

from se_backbones.pretrained.command import main
from se_backbones.pretrained.manifest import manifest


def test_list_names_everything_or_what_matches(capsys):
    main(['list'])
    out = capsys.readouterr().out
    assert all(name in out for name in manifest())
    assert ['name', 'top-1', 'px', 'MB', 'licence'] in [line.split() for line in out.splitlines()]
    entry = manifest()['se_resnet50.cadene']
    assert re.search(rf'{entry.name} +77\.64 +{entry.crop} +{entry.megabytes} ', out)
    main(['list', 'se_resnext*'])
    out = capsys.readouterr().out
    assert 'se_resnext50_32x4d.cadene' in out and ' se_resnet50.cadene' not in out


def test_info_says_what_a_config_needs(capsys):
    main(['info', 'se_resnet50.cadene'])
    out = capsys.readouterr().out
    for text in ("style='caffe'", 'checkpoint="se-backbones://se_resnet50.cadene"', 'RGB', '77.64', 'ce0d4300'):
        assert text in out


@pytest.mark.parametrize(('argv', 'text'), [
    (['info', 'se_resnet50.caden'], "Did you mean 'se_resnet50.cadene'"),
    (['list', 'nothing*'], "No published weights match 'nothing*'"),
    (['verify', '/no/such/file.pth'], 'There is no file /no/such/file.pth'),
])
def test_mistakes_are_one_line(argv, text):
    with pytest.raises(SystemExit) as error:
        main(argv)
    assert str(error.value).startswith('error: ') and text in str(error.value) and '\n' not in str(error.value)


def test_download_of_what_only_a_person_can_fetch_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path))
    with pytest.raises(SystemExit, match=rf'drive.google.com(.|\n)*{tmp_path}/SE-ResNet-50.caffemodel'):
        main(['download', 'se_resnet50.caffe'])


def test_verify_tells_a_good_file_from_a_broken_one(tmp_path, capsys):
    torch.save({'a': torch.tensor([1.0, float('nan')])}, tmp_path / 'mine.pth')
    with pytest.raises(SystemExit, match='1'):
        main(['verify', str(tmp_path / 'mine.pth')])
    out = capsys.readouterr().out
    assert 'not finite: a' in out and 'no published weights have this file name or hash' in out


def test_verify_finds_that_a_published_name_holds_something_else(tmp_path, capsys):
    torch.save({'layer0.conv1.weight': torch.zeros(64, 3, 7, 7)}, tmp_path / 'se_resnet50-ce0d4300.pth')
    with pytest.raises(SystemExit, match='1'):
        main(['verify', str(tmp_path / 'se_resnet50-ce0d4300.pth')])
    out = ' '.join(capsys.readouterr().out.replace('│', ' ').split())
    assert 'the hash should start with ce0d4300' in out and 'tensors are missing' in out


def test_brackets_in_names_are_no_markup(tmp_path, capsys):
    (tmp_path / '[red]').mkdir()
    torch.save({'layer[/b]': torch.tensor([float('nan')])}, tmp_path / '[red]' / 'net.pth')
    with pytest.raises(SystemExit, match='1'):
        main(['verify', str(tmp_path / '[red]' / 'net.pth')])
    out = ''.join(capsys.readouterr().out.split())
    assert '[red]/net.pth' in out and 'layer[/b]' in out


@pytest.mark.parametrize('argv', [['list'], ['info', 'se_resnextaa101d_32x8d.timm_sw_in12k_ft_in1k_288']], ids=' '.join)
def test_tables_have_the_size_and_fit_80_columns(argv, monkeypatch, capsys):
    monkeypatch.setenv('COLUMNS', '80')
    main(argv)
    table = capsys.readouterr().out.partition('In a config:')[0]
    assert ' 375 ' in table and max(map(len, table.splitlines()[:-1])) <= 80
    assert 'se_resnextaa101d_32x8d.timm_sw_in12k_ft_in1k_288' in table and '…' not in table
