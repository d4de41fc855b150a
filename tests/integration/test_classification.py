"""Classifiers from our configs under mmpretrain."""

import json
import math

import pytest
from mmengine.registry import DefaultScope

from helpers import narrow, save_model
from se_backbones.lab.analysis.curves import read_curves

pytestmark = pytest.mark.any_device


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    """configs/digits/resnet18_se.py at an eighth of its width, and an untrained checkpoint."""
    return save_model(narrow('resnet18_se', 4), tmp_path_factory.mktemp('classifier'), map(str, range(10)))


def test_classifier_trains_and_tests(tool, digits, tmp_path, classifier):
    data = [f'{loader}_dataloader.dataset.data_root={digits}' for loader in ('train', 'val', 'test')]
    tool('train', classifier[0], '--work-dir', tmp_path, '--cfg-options', 'train_cfg.max_epochs=1', *data)
    tool('test', classifier[0], tmp_path / 'epoch_1.pth', '--work-dir', tmp_path / 'test', '--cfg-options', *data)
    curves = read_curves(tmp_path)
    assert curves['loss'].values[-1] < math.log(10)  # of guesses
    tested = json.loads(next((tmp_path / 'test').rglob('*.json')).read_text())
    assert [tested['accuracy/top1']] == list(curves['accuracy/top1'].values)


def test_mmpretrains_own_api_works(classifier, digits):
    from mmpretrain import ImageClassificationInferencer, get_model
    config, checkpoint = classifier
    image = str(next((digits / 'val').rglob('*.png')))
    model = get_model(config, pretrained=checkpoint)
    assert model.backbone.__class__.__module__ == 'se_backbones.models.backbones.resnet'
    assert get_model(config, backbone=dict(out_indices=(0, 1, 2, 3))).backbone.out_indices == (0, 1, 2, 3)
    result = ImageClassificationInferencer(config, pretrained=checkpoint, device='cpu')(image)[0]
    assert result['pred_scores'].shape == (10,)


def test_infer_writes_the_five_best_classes(tool, classifier, digits, tmp_path, capsys):
    images = sorted((digits / 'val').rglob('*.png'))[:2]
    tool('infer', *classifier, *images, '--out-dir', tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert capsys.readouterr().out.count(' -> ') == 2


def test_a_detector_does_not_change_what_a_classifier_finds(classifier):
    """The default scope of one host is not left behind for the other."""
    from mmengine.registry import init_default_scope

    from se_backbones.lab.inference import predict
    init_default_scope('mmdet')
    assert list(predict(*classifier, [])) == []
    assert DefaultScope.get_current_instance().scope_name == 'mmdet'
