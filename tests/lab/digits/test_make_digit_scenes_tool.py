"""``tools/dataset_converters/make_digit_scenes.py`` prints what it made, and refuses in one line."""

import pytest

from helpers import load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('make_digit_scenes')


def test_it_makes_scenes_and_a_preview_and_prints_counts(tool, tmp_path, capsys):
    command = ['--out', str(tmp_path / 'a'), '--num-train', '3', '--num-val', '2', '--size', '64', '--no-semantic']
    tool.main([*command, '--preview', str(tmp_path / 'a.png')])
    printed = capsys.readouterr().out
    assert 'made in' in printed
    assert 'train: 3 images' in printed
    assert (tmp_path / 'a.png').is_file()
    tool.main(command)
    assert 'was there already' in capsys.readouterr().out


def test_it_makes_single_digits(tool, tmp_path, capsys):
    tool.main(['--kind', 'digits', '--out', str(tmp_path / 'a'), '--size', '16'])
    assert 'val: 359 images' in capsys.readouterr().out


def test_defaults_are_under_data(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tool.main(['--num-train', '1', '--num-val', '1', '--size', '64'])
    assert (tmp_path / 'data/digit_scenes/annotations/instances_val.json').is_file()


def test_errors_are_one_line(tool, tmp_path):
    (tmp_path / 'work.txt').write_text('mine')
    with pytest.raises(SystemExit, match='error: .* exists and was not made by') as caught:
        tool.main(['--out', str(tmp_path), '--force'])
    assert '\n' not in str(caught.value)
    with pytest.raises(SystemExit, match='work.txt exists and is not overwritten'):
        tool.main(['--out', str(tmp_path / 'a'), '--preview', str(tmp_path / 'work.txt')])
    assert not (tmp_path / 'a').exists()


def test_options_without_effect_are_refused(tool, capsys):
    with pytest.raises(SystemExit):
        tool.main(['--kind', 'digits', '--num-train', '10'])
    assert '--num-train has no effect with --kind digits' in capsys.readouterr().err
