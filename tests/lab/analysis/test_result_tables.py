"""The tables of results: from TOML into a README and nowhere else."""


import pytest

from se_backbones.lab.analysis.result_tables import END, START, put_into_readme, read_tables

TOML = """\
[[table]]
name = 'Table I'
what = 'error in %'
note = 'A remark.'
rows = [{row = 'plain', config = 'a/plain.py', paper = '6.37', ours = ''},
        {row = 'SE', config = 'a/se.py', paper = '5.21', ours = '5.30'}]
"""
TABLE = """\
## Table I

error in %. A remark.

| row | config | paper | ours |
| --- | --- | --- | --- |
| plain | [plain](a/plain.py) | 6.37 |  |
| SE | [se](a/se.py) | 5.21 | 5.30 |
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'results.toml').write_text(TOML)
    (tmp_path / 'README.md').write_text(f'before\n{START}\nold\n{END}\nafter\n')
    return tmp_path


def test_tables_replace_what_is_between_the_marks(folder):
    assert put_into_readme(folder)
    assert (folder / 'README.md').read_text() == f'before\n{START}\n\n{TABLE}\n{END}\nafter\n'
    assert not put_into_readme(folder)


@pytest.mark.parametrize('text', ['', START, END, f'{END}\n{START}', f'{START}\n{END}\n{END}', f'{START}{START}{END}'])
def test_a_readme_without_the_marks_is_left_alone(folder, text):
    (folder / 'README.md').write_text(text)
    with pytest.raises(ValueError, match='must have the lines'):
        put_into_readme(folder)
    assert (folder / 'README.md').read_text() == text


def test_a_row_with_a_wrong_key_is_refused(folder):
    (folder / 'results.toml').write_text(TOML.replace('paper', 'papper', 1))
    with pytest.raises(TypeError, match='papper'):
        read_tables(folder)


def test_the_tool_says_what_it_did(tool, folder, capsys):
    tool('result_tables', folder)
    tool('result_tables', folder)
    assert [line.split(': ')[1] for line in capsys.readouterr().out.splitlines()] == [
        'brought up to date', 'was up to date']
    (folder / 'results.toml').unlink()
    with pytest.raises(SystemExit, match='error: .*results.toml'):
        tool('result_tables', folder)
