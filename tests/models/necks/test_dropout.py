"""SENet-154's dropout as a config of mmpretrain's classifier."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope


@pytest.fixture
def classifier():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(dict(
            type='ImageClassifier',
            backbone=dict(type='se_backbones.SENet', depth=(1, 1), base_channels=16, groups=4),
            neck=[dict(type='GlobalAveragePooling'), dict(type='se_backbones.Dropout', p=0.9)],
            head=dict(type='LinearClsHead', num_classes=10, in_channels=128)))


def test_features_of_the_classifier_are_dropped_in_training_only(classifier):
    images = torch.randn(4, 3, 64, 64)
    trained = classifier.train().extract_feat(images)[0]
    assert 0.8 < (trained == 0).float().mean() < 1
    first, second = (classifier.eval().extract_feat(images)[0] for _ in range(2))
    assert torch.equal(first, second) and (first != 0).any(0).float().mean() > 0.9


def test_p_out_of_range_is_refused():
    with pytest.raises(ValueError, match='Dropout.p must be at least 0 and below 1, got 1'):
        MODELS.build(dict(type='se_backbones.Dropout', p=1))
