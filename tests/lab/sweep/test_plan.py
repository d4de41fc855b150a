"""A list of configs becomes runs and tables; what is wrong with it is said before anything is trained."""

from pathlib import Path

import pytest

import se_backbones
from se_backbones.lab.sweep import read_matrix
from se_backbones.lab.sweep.plan import Row, digest

ROWS = "[[table]]\nname = 'A'\nrows = [{row = 'a', config = 'plain.py'}]\n"


def test_a_list_names_the_tables_and_each_config_is_trained_once(configs, tmp_path):
    matrix = read_matrix([configs / 'matrix.toml'])
    assert [table.name for table in matrix.tables] == ['Operators', 'Again']
    assert matrix.tables[0].rows[1] == Row('SE, ratio 4', configs / 'se.py')
    runs = matrix.runs(range(2), tmp_path)
    # Seed by seed: where it is cut short, each config has as many seeds as any other.
    assert [(run.config.stem, run.seed) for run in runs] == [('plain', 0), ('se', 0), ('plain', 1), ('se', 1)]
    assert runs[3].folder == tmp_path / 'se' / 'seed_1'


def test_of_config_files_the_first_is_the_baseline(configs):
    matrix = read_matrix([configs / 'se.py', configs / 'plain.py'])
    assert matrix.baseline == configs / 'se.py' and matrix.configs == (configs / 'se.py', configs / 'plain.py')


def test_the_seed_and_the_options_reach_the_config(configs, tmp_path):
    run, other = read_matrix([configs / 'se.py']).runs([3, 4], tmp_path, {'train_cfg.max_epochs': 9})
    cfg = run.load()
    assert cfg.randomness['seed'] == 3 and cfg.train_cfg.max_epochs == 9 and cfg.work_dir == str(run.folder)
    # Results of both seeds belong to the same settings.
    assert digest(run.settings()) == digest(other.settings())
    assert digest(run.settings()) != digest(read_matrix([configs / 'se.py']).runs([3], tmp_path)[0].settings())


@pytest.mark.parametrize(('text', 'message'), [
    (ROWS, 'lacks baseline'),
    ("baseline = 'plain.py'", 'lacks table'),
    (f"baseline = 'se.py'\n{ROWS}", 'the baseline .*se.py is in no table'),
    (f"baseline = 'plain.py'\nmetrik = 'x'\n{ROWS}", "no option 'metrik'.*Did you mean 'metric'"),
    ("baseline = 'plain.py'\n[[table]]\nname = 'A'\nrows = [{config = 'plain.py'}]", "rows of {row = .*'row'"),
])
def test_a_wrong_list_is_refused(configs, text, message):
    (configs / 'wrong.toml').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_matrix([configs / 'wrong.toml'])


def test_configs_that_are_absent_or_of_one_name_are_refused(configs, tmp_path):
    with pytest.raises(FileNotFoundError, match='There is no config file .*none.py'):
        read_matrix([configs / 'none.py'])
    (tmp_path / 'se.py').write_text((configs / 'se.py').read_text())
    with pytest.raises(ValueError, match='configs need different names'):
        read_matrix([configs / 'se.py', tmp_path / 'se.py'])
    with pytest.raises(ValueError, match='stands alone'):
        read_matrix([configs / 'matrix.toml', configs / 'se.py'])


def test_the_shipped_lists_show_every_config_of_their_folder():
    folder = Path(se_backbones.config_path('digits/ablation'))
    listed = [config.name for name in ('classifier', 'detector')
              for config in read_matrix([folder / f'{name}.toml']).configs]
    assert sorted(listed) == sorted(path.name for path in folder.glob('*.py'))
