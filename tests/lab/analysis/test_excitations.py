"""Excitations of cases with a known answer."""

import weakref

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from se_backbones.engine.sites import operators
from se_backbones.lab.analysis.excitations import (
    ALL,
    Excitation,
    Excitations,
    draw_excitation,
    drawn_classes,
    excitations,
    plot_excitations,
)
from se_backbones.lab.analysis.moments import Moments
from se_backbones.lab.analysis.subject import Subject, evenly_spaced
from se_backbones.models.operators import ContextOperator

SE = dict(type='SqueezeExcite', ratio=2)


class Shown(ContextOperator):
    """Its gate is the image itself, a map of it."""

    def __init__(self):
        super().__init__(3, nn.Identity(), None, 'relu')

    def reset_parameters(self):
        pass


@pytest.fixture
def images():
    """Fifteen images of 4 x 4 and values from 0 to 1, unevenly over three classes."""
    return [(torch.rand(3, 4, 4), label) for label in [0] * 8 + [1] * 4 + [2] * 3]


@pytest.mark.parametrize('batch_size', [1, 4, 15])
def test_means_and_deviations_are_numpys_whatever_the_batches(subject, images, batch_size):
    data = excitations(subject(Shown(), images, batch_size))
    assert data.images == {ALL: 15, 'ant': 8, 'bee': 4, 'cow': 3}
    found = data.operators['backbone']
    means = np.array([image.double().mean((1, 2)).numpy() for image, _ in images])
    groups = {'ant': means[:8], 'bee': means[8:12], 'cow': means[12:], ALL: means}
    for name, rows in groups.items():
        np.testing.assert_allclose(found.mean[name], rows.mean(0), rtol=1e-6)
        np.testing.assert_allclose(found.std[name], rows.std(0), rtol=1e-6)


def test_a_constant_gate_has_its_value_everywhere_and_no_spread(subject, narrow):
    it = subject(narrow(SE))
    for site in operators(it.model).values():
        site.operator.zero_logits()
    data = excitations(it)
    assert list(data.operators) == ['SE_2_1', 'SE_3_1', 'SE_3_2', 'SE_4_1']
    for found in data.operators.values():
        assert all(set(values) == {0.5} for values in found.mean.values())
        assert all(set(values) == {0.0} for values in found.std.values())


def test_regions_count_over_all_and_for_no_class():
    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.roi_head = nn.ModuleDict(dict(shared_head=Shown()))

        def test_step(self, batch):
            regions = torch.tensor([0.2, 0.4, 0.9]).reshape(3, 1, 1, 1).expand(3, 3, 2, 2)
            return self.roi_head.shared_head(regions)
    batch = dict(inputs=None, data_samples=[{}])
    found = excitations(Subject(Detector(), [batch, batch], ('ant',)), classes=()).operators['roi_head.shared_head']
    assert list(found.mean) == [ALL]
    np.testing.assert_allclose(found.mean[ALL], [0.5] * 3, rtol=1e-6)
    np.testing.assert_allclose(found.std[ALL], [np.std([0.2, 0.4, 0.9])] * 3, rtol=1e-6)


def test_an_image_with_objects_of_two_classes_counts_for_both():
    class Instances(dict):
        labels = torch.tensor([2, 0, 2])

    class Sample(dict):
        gt_instances = Instances(labels=None)

    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = Shown()

        def data_preprocessor(self, batch, training):
            return batch
    batch = dict(inputs=torch.full((1, 3, 2, 2), 0.25), data_samples=[Sample(gt_instances=None)])
    data = excitations(Subject(Detector(), [batch], ('ant', 'bee', 'cow')), classes=['ant', 2])
    assert data.images == {ALL: 1, 'ant': 1, 'cow': 1}


def test_images_are_not_kept(images):
    """At any time no more batches are alive than the one that runs and the one that was just made."""
    alive, most = [], []

    def batches():
        for image, label in images:
            batch = dict(inputs=image[None].clone(), data_samples=[Sample(label)])
            alive.append(weakref.ref(batch['inputs']))
            most.append(sum(ref() is not None for ref in alive))
            yield batch

    class Sample(dict):
        def __init__(self, label):
            super().__init__(gt_label=None)
            self.gt_label = torch.tensor([label])

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = Shown()

        def data_preprocessor(self, batch, training):
            return batch
    excitations(Subject(Model(), batches(), ('ant', 'bee', 'cow')))
    assert len(alive) == 15 and max(most) <= 2


def test_fifty_uniform_channels_from_first_to_last():
    assert evenly_spaced(256, 50)[:3] == [0, 5, 10] and evenly_spaced(256, 50)[-1] == 255
    assert len(set(evenly_spaced(256, 50))) == 50
    assert evenly_spaced(16, 50) == list(range(16)) == evenly_spaced(16, None)


def test_moments_of_nothing_are_nan():
    assert np.isnan(Moments(2).mean).all()


def test_a_picture_is_written(subject, narrow, tmp_path):
    data = excitations(subject(narrow(SE)), classes=['ant', 'cow'], names=['SE_3'])
    assert list(data.operators) == ['SE_3_1', 'SE_3_2']
    assert plot_excitations(data, tmp_path / 'a' / 'x.png', spread=True).read_bytes().startswith(b'\x89PNG')


def test_ten_classes_are_drawn_of_more():
    from matplotlib.figure import Figure
    classes = [f'c{k}' for k in range(12)]
    found = Excitation(4, [0, 3], {name: [0.2, 0.4] for name in (ALL, *classes)}, {})
    data = Excitations(dict.fromkeys((ALL, *classes), 1), {'SE_2_1': found})
    assert drawn_classes(data) == classes[:10]
    axis = Figure().subplots()
    draw_excitation(axis, 'SE_2_1', found, drawn_classes(data))
    assert [line.get_label() for line in axis.lines] == [*classes[:10], ALL]


# --- what a user can get wrong ---


def test_a_backbone_without_operators(subject, narrow):
    with pytest.raises(ValueError, match='Classifier has no context operators, so it has no gates'):
        excitations(subject(narrow()))


def test_a_class_without_images_or_that_does_not_exist(subject, narrow):
    it = subject(narrow(SE), [(torch.randn(3, 32, 32), 0)])
    with pytest.raises(ValueError, match=r'no images of 1 of the 2 chosen classes \(cow\)'):
        excitations(it, classes=['ant', 'cow'])
    with pytest.raises(ValueError, match="no class 'be'; there are ant, bee, cow .*Did you mean 'bee'"):
        excitations(it, classes=['be'])


def test_an_empty_data_set(subject, narrow):
    it = subject(narrow(SE))
    it.batches = []
    with pytest.raises(ValueError, match='the dataset is empty'):
        excitations(it)


def test_nan_gates(subject, narrow):
    it = subject(narrow(SE))
    nn.init.constant_(operators(it.model)['SE_3_1'].operator.excite.up.bias, torch.nan)
    with pytest.raises(ValueError, match='The gate of SE_3_1 .* is not finite in 8 of 8 channels'):
        excitations(it)


def test_every_operator_of_the_registry_can_be_read(subject, narrow):
    for op in (dict(type='SqueezeExcite', squeeze='none', gate='tanh'), dict(type='GatherExcite'),
               dict(type='GatherExcite', extent=4), dict(type='GatherExcite', variant='theta_plus', extent=2),
               dict(type='GatherExcite', variant='theta')):
        data = excitations(subject(narrow(op, input_size=32)))
        assert len(data.operators) == 4 and all(np.isfinite(found.mean[ALL]).all() for found in data.operators.values())


def test_backbones_of_other_architectures_can_be_read(subject):
    for net in (dict(type='se_backbones.VGG', depth=(1, 1, 1, 1, 1), base_channels=4, context=dict(op=SE)),
                dict(type='se_backbones.ShakeShake', depth=(1, 1, 1), base_width=4, block='basic',
                     context=dict(op=SE, placement='3x3'))):
        model = MODELS.build(net)
        assert set(excitations(subject(net)).operators) == set(operators(model))
