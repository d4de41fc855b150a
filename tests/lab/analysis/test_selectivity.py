"""Class selectivity of features with a known preference."""

import numpy as np
import pytest
import torch
from torch import nn

from helpers import as_if_trained
from se_backbones.lab.analysis.selectivity import plot_selectivity, selectivity, selectivity_index


class Features(nn.Module):
    """One block whose output is the image."""

    def __init__(self):
        super().__init__()
        self.res_layers = ['layer1']
        self.layer1 = nn.Sequential(nn.Identity())

    def forward(self, x):
        return self.layer1(x)


def images(*features):
    """Two images per class, whose channels hold each feature's response to the class."""
    return [(torch.tensor([feature[label] for feature in features])[:, None, None].expand(-1, 3, 3), label)
            for label in (0, 1, 2) for _ in range(2 + label)]


def test_one_class_alone_is_one_and_all_alike_is_zero(subject):
    data = selectivity(subject(Features(), images((0.0, 0.0, 5.0), (2.0, 2.0, 2.0), (3.0, 1.0, 1.0))))
    assert data.images == {'ant': 2, 'bee': 3, 'cow': 4}
    assert data.index == {'conv2_1': [1.0, 0.0, 0.5]}  # (3 - 1) / (3 + 1)
    assert data.dead == {'conv2_1': 0}


def test_rest_is_the_mean_of_class_means_not_of_images():
    """(4 - mean(1, 3)) / (4 + mean(1, 3)), however many images the classes have."""
    np.testing.assert_allclose(selectivity_index(np.array([[4.0], [1.0], [3.0]])), [1 / 3])


def test_a_feature_that_never_fires_has_index_zero_and_is_counted(subject):
    data = selectivity(subject(Features(), images((0.0, 0.0, 0.0), (-1.0, -1.0, -2.0), (1.0, 0.0, 0.0))))
    assert data.index == {'conv2_1': [0.0, 0.0, 1.0]} and data.dead == {'conv2_1': 2}


def test_the_negative_part_of_a_block_without_relu_does_not_count(subject):
    data = selectivity(subject(Features(), images((-9.0, 0.0, 2.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))))
    assert data.index['conv2_1'][0] == 1.0


def test_the_last_block_of_each_stage_is_the_default(subject, narrow):
    it = subject(narrow())
    assert list(selectivity(it).index) == ['conv2_1', 'conv3_2', 'conv4_1']
    assert list(selectivity(it, ['conv3']).index) == ['conv3_1', 'conv3_2']
    assert len(selectivity(it, ['conv3_1']).index['conv3_1']) == 8


def test_the_index_is_the_same_whichever_code_ends_the_units(subject, narrow, monkeypatch):
    found = {}
    for tail in ('plain', 'fused'):
        monkeypatch.setenv('SE_BACKBONES_TAIL', tail)
        torch.manual_seed(0)
        it = subject(narrow(dict(type='GatherExcite', variant='theta', extent=2)))
        as_if_trained(it.model)
        found[tail] = selectivity(it).index
    for block, index in found['plain'].items():
        np.testing.assert_allclose(found['fused'][block], index, atol=1e-5)


def test_hooks_are_gone_afterwards(subject, narrow):
    it = subject(narrow())
    selectivity(it)
    assert not any(module._forward_hooks for module in it.model.modules())


def test_two_networks_share_the_panels(subject, narrow, tmp_path):
    runs = {'GE': selectivity(subject(narrow(dict(type='GatherExcite')))), 'plain': selectivity(subject(narrow()))}
    assert plot_selectivity(runs, tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


# --- what a user can get wrong ---


def test_an_unknown_block_is_answered_with_a_near_one(subject, narrow):
    with pytest.raises(ValueError, match=r"no block 'conv3_3' .* has conv2_1, conv3_1, conv3_2, conv4_1\. Did you mean "
                                         "'conv3_"):
        selectivity(subject(narrow()), ['conv3_3'])


def test_one_class_cannot_be_compared(subject):
    with pytest.raises(ValueError, match='needs at least two, got 1'):
        selectivity(subject(Features(), images((1.0, 1.0, 1.0))), classes=['ant'])


def test_a_class_without_images(subject, narrow):
    with pytest.raises(ValueError, match=r'no images of 2 of the 3 chosen classes \(bee, cow\)'):
        selectivity(subject(narrow(), [(torch.randn(3, 32, 32), 0)]))


def test_nan_features(subject):
    with pytest.raises(ValueError, match='features of conv2_1 hold NaN'):
        selectivity(subject(Features(), images((1.0, torch.nan, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))))


def test_a_network_without_stages(subject):
    with pytest.raises(ValueError, match='no stages whose blocks could be named'):
        selectivity(subject(nn.Conv2d(3, 4, 1)))
