"""Narrow networks that are no ResNets: in mmdet and mmpretrain, and insertion that keeps the function."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from helpers import assert_identical, init_from
from se_backbones.models.operators import ContextOperator

NARROW = {
    'BNInception': dict(widen_factor=1 / 16, input_size=64),
    'InceptionResNetV2': dict(widen_factor=1 / 16, depth=(1, 1, 2), input_size=96),
    'VGG': dict(depth=(1, 1, 2, 1, 1), base_channels=4, input_size=64),
    'MobileNetV1': dict(widen_factor=1 / 8, depth=(1, 2, 1, 1, 1), input_size=64),
}
SE = dict(type='SqueezeExcite', ratio=4)
# Outputs of strides 4, 8, 16 and 32.
PYRAMID = {'BNInception': (0, 1, 2, 3), 'InceptionResNetV2': (0, 1, 2, 3), 'VGG': (1, 2, 3, 4),
           'MobileNetV1': (1, 2, 3, 4)}


@pytest.fixture(params=list(NARROW))
def kind(request):
    return request.param


def build(kind, **kwargs):
    return MODELS.build(dict(type=f'se_backbones.{kind}', **dict(NARROW[kind], **kwargs)))


def images_for(kind, count=2):
    size = NARROW[kind]['input_size']
    return torch.randn(count, 3, size, size)


def operators(net):
    return [module for module in net.modules() if isinstance(module, ContextOperator)]


def test_mmdets_fpn_takes_the_four_strides(kind):
    net = build(kind, out_indices=PYRAMID[kind])
    assert [feature.stride for feature in net.feature_info] == [4, 8, 16, 32]
    with DefaultScope.overwrite_default_scope('mmdet'):
        neck = MODELS.build(dict(type='FPN', in_channels=[f.channels for f in net.feature_info], out_channels=8,
                                 num_outs=5))
    maps = net(torch.randn(1, 3, 128, 160))
    assert [m.shape[1] for m in maps] == [f.channels for f in net.feature_info]
    if kind != 'InceptionResNetV2':  # whose strided layers have no padding
        assert [m.shape[2:] for m in maps] == [(128 // s, 160 // s) for s in (4, 8, 16, 32)]
    assert [m.shape[2:] for m in neck(maps)[:4]] == [m.shape[2:] for m in maps]


def test_mmpretrains_classifier_trains_with_it(kind):
    from mmpretrain.structures import DataSample
    backbone = dict(NARROW[kind], type=f'se_backbones.{kind}', context=dict(op=SE))
    neck, head = dict(type='GlobalAveragePooling'), dict(type='LinearClsHead', num_classes=5, in_channels=1)
    head['in_channels'] = build(kind).feature_info[-1].channels
    if kind == 'VGG':  # with its own head, as the paper's
        backbone.update(num_classes=5, fc_channels=16)
        neck, head = None, dict(type='ClsHead', loss=dict(type='CrossEntropyLoss'))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, neck=neck, head=head))
    model.init_weights()
    losses = model.train()(images_for(kind), [DataSample().set_gt_label(1), DataSample().set_gt_label(3)], mode='loss')
    losses['loss'].backward()
    assert all(p.grad.any() and p.grad.isfinite().all() for p in model.parameters())


def test_init_cfg_of_the_config_draws_the_host_and_not_the_gates(kind):
    net = build(kind, context=dict(op=SE), init_cfg=dict(type='Constant', val=0.25, bias=0.5, layer='Conv2d'))
    net.init_weights()
    in_gates = {module for operator in operators(net) for module in operator.modules()}
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            assert bool((module.weight == 0.25).all()) is (module not in in_gates)


def test_insertion_is_exact_without_norms(tmp_path):
    plain = build('VGG', norm_cfg=None)
    net = build('VGG', norm_cfg=None, context=dict(op=SE), init_cfg=init_from(plain, tmp_path))
    net.init_weights()
    assert_identical(plain, net, images_for('VGG'))
