"""What a folder of work holds of other runs."""

import pytest
from mmengine.config import Config

from se_backbones.engine.preflight import ConfigProblem
from se_backbones.engine.work_dir import check_work_dir


@pytest.mark.parametrize('unit', ['epoch', 'iter'])
def test_checkpoints_count_by_number_where_no_file_names_the_last(tmp_path, unit):
    cfg = Config(dict(work_dir=str(tmp_path / 'work')))
    assert check_work_dir(cfg) is None
    (tmp_path / 'work').mkdir()
    for name in ('best_coco_epoch_20.pth', f'{unit}_30.pth.part', 'notes.txt'):
        (tmp_path / 'work' / name).touch()
    assert check_work_dir(cfg) is None
    for number in (2, 10, 9):
        (tmp_path / 'work' / f'{unit}_{number}.pth').touch()
    with pytest.raises(ConfigProblem, match=rf'the newest is {unit}_10\.pth'):
        check_work_dir(cfg)
