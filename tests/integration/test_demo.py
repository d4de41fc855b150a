"""`make demo` in small: the same tool on few scenes, one epoch, a narrow network."""

import pytest

from se_backbones.lab.analysis.curves import read_validation


@pytest.fixture
def demo(tool, scenes, tmp_path):
    def run(*options):
        return tool('demo', '--data', scenes, '--work-dir', tmp_path / 'demo', '--scenes', '4', '--cfg-options',
                    'train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'model.backbone.base_channels=8',
                    'model.neck.in_channels=[8,16,32,64]', 'default_hooks.logger.interval=1',
                    # Without a floor under the scores the untrained network finds something to evaluate.
                    'model.test_cfg.rcnn.score_thr=0.0', *options)
    return run


def test_demo_trains_evaluates_and_leaves_pictures(demo, tmp_path, capsys):
    metrics = demo()
    validated = read_validation(tmp_path / 'demo')
    assert metrics['coco/bbox_mAP'] == validated['coco/bbox_mAP'].values[-1] >= 0  # -1: nothing was there to be found
    printed = ''.join(capsys.readouterr().out.split())
    assert f'bboxmAP{metrics["coco/bbox_mAP"]:.3f}' in printed
    for name in ('predictions.png', 'curves.png'):
        assert (tmp_path / 'demo' / name).read_bytes().startswith(b'\x89PNG')
        assert name in printed
    assert 'configs/faster_rcnn_ge_r50.py' in printed
