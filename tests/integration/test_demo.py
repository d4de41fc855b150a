"""A small `make demo`: the same tool on few scenes, one epoch, a narrow network."""

import pytest

from helpers import narrow
from se_backbones.lab.analysis.curves import read_validation
from se_backbones.lab.commands import demo as command


@pytest.fixture
def demo(tool, scenes, tmp_path):
    """Return a function that runs the demo with a small config; as `make demo` does, this may be the default."""
    cfg = narrow('faster_rcnn_ge_r18')
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.logger.interval = 1
    cfg.model.test_cfg.rcnn.score_thr = 0.  # or the untrained network finds nothing to evaluate
    cfg.dump(tmp_path / 'small.py')

    def run(*options):
        return tool('demo', '--data', scenes, '--work-dir', tmp_path / 'demo', '--scenes', '4', *options)
    return run


def test_demo_trains_evaluates_and_leaves_pictures(demo, tmp_path, capsys):
    metrics = demo('--config', tmp_path / 'small.py')
    validated = read_validation(tmp_path / 'demo')
    assert metrics['coco/bbox_mAP'] == validated['coco/bbox_mAP'].values[-1] >= 0  # -1: nothing was there to be found
    printed = ''.join(capsys.readouterr().out.split())
    assert f'bboxmAP{metrics["coco/bbox_mAP"]:.3f}' in printed
    for name in ('predictions.png', 'curves.png'):
        assert (tmp_path / 'demo' / name).read_bytes().startswith(b'\x89PNG')
        assert name in printed
    assert 'configs/faster_rcnn_ge_r50.py' in printed
    with pytest.raises(SystemExit, match='holds checkpoints of a run already'):
        demo('--config', tmp_path / 'small.py')
    for name in ('epoch_1.pth', 'last_checkpoint'):
        (tmp_path / 'demo' / name).unlink()
    with pytest.raises(SystemExit, match=r'predictions\.png exists and is not overwritten'):
        demo('--config', tmp_path / 'small.py')


def test_demo_fails_if_its_own_training_learns_too_little(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(command, 'CONFIG', str(tmp_path / 'small.py'))
    with pytest.raises(SystemExit, match=r'a box mAP of 0\.\d+ is too low, .* more than 0\.6:'):
        demo()
    assert (tmp_path / 'demo' / 'predictions.png').exists()


@pytest.mark.slow
def test_the_demo_as_it_is_shipped_learns_enough(tool, tmp_path):
    """Six minutes on two cores: `make demo`."""
    assert tool('demo', '--data', tmp_path / 'scenes', '--work-dir', tmp_path / 'demo')['coco/bbox_mAP'] > 0.6
