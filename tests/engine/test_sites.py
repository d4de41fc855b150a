"""The papers' names for what is in a network."""

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from se_backbones.engine.sites import blocks, choose, last_of_each_stage, operators

SE = dict(type='SqueezeExcite', ratio=2)
BACKBONES = {
    'ResNet': dict(depth=(2, 1, 3), block='basic', base_channels=4),
    'VGG': dict(depth=(1, 1, 2, 1, 1), base_channels=4),
    'BNInception': dict(depth=(2, 2, 2), widen_factor=1 / 16),
    'InceptionResNetV2': dict(depth=(1, 1, 2), widen_factor=1 / 16),
    'MobileNetV1': dict(depth=(1, 2, 1, 1, 1), widen_factor=1 / 8),
    'ShuffleNetV1': dict(depth=(2, 1, 1), widen_factor=1 / 4, groups=2),
    'PreActResNet': dict(depth=(2, 2, 1), base_channels=4, block='basic'),
    'ShakeShake': dict(depth=(2, 2, 1), base_width=4, block='basic'),
}


WITHOUT_BLOCKS = ('BNInception', 'InceptionResNetV2')  # in their first stage


@pytest.mark.parametrize('kind', BACKBONES)
def test_names_count_stages_and_blocks_as_a_config_does(kind):
    depth = BACKBONES[kind]['depth']
    counts = (0, *depth) if kind in WITHOUT_BLOCKS else depth
    for stage, count in enumerate(counts):
        for block in range(count):
            stages = [tuple(place == (stage, block) for place in ((index, number) for number in range(size)))
                      for index, size in enumerate(counts)]
            with torch.device('meta'):
                net = MODELS.build(dict(type=f'se_backbones.{kind}', out_indices=(len(counts) - 1,),
                                        context=dict(op=SE, stages=stages), **BACKBONES[kind]))
            (name, site), = operators(net).items()
            assert name == f'SE_{stage + 2}_{block + 1}'
            assert site.block.place == (stage, block) and site.block.owner == ''
            assert net.get_submodule(site.path) is site.operator


def test_several_operators_of_a_block_are_told_apart_by_slot():
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4, context=[
        dict(op=SE, stages=(False, True)), dict(op=dict(type='GatherExcite'), placement='3x3', stages=(False, True)),
        dict(op=SE, placement='pre', stages=(False, True)), dict(op=SE, stages=(True, False))]))
    assert list(operators(net)) == ['SE_2_1', 'SE_3_1_standard', 'GE_3_1', 'SE_3_1_pre']


def test_the_branches_of_a_shake_shake_unit_are_one_block():
    net = MODELS.build(dict(type='se_backbones.ShakeShake', depth=(1, 1, 1), base_width=4, block='basic',
                            context=dict(op=SE, placement='3x3', stages=(True, False, False))))
    assert list(operators(net)) == ['SE_2_1_branch1.3x3', 'SE_2_1_branch2.3x3']


def test_the_shared_head_is_stage_five_and_sees_regions():
    head = MODELS.build(dict(type='se_backbones.ResLayer', depth=(1, 1, 1, 2), base_channels=4, context=dict(op=SE)))
    backbone = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1, 1), base_channels=4,
                                 context=dict(op=SE, stages=(False, False, True))))
    detector = nn.ModuleDict(dict(backbone=backbone, roi_head=nn.ModuleDict(dict(shared_head=head))))
    found = operators(detector)
    assert list(found) == ['SE_4_1', 'SE_5_1', 'SE_5_2']
    assert [site.per_image for site in found.values()] == [True, False, False]
    assert found['SE_5_2'].block.owner == 'roi_head.shared_head' and found['SE_5_2'].block.place == (0, 1)


def test_plugins_of_a_stock_resnet_are_named_after_their_block():
    from mmdet.models.backbones import ResNet
    net = ResNet(50, base_channels=4, stem_channels=4, plugins=[
        dict(cfg=dict(type='se_backbones.SqueezeExcite'), stages=(False, False, False, True), position='after_conv3')])
    assert list(operators(net)) == ['SE_5_1', 'SE_5_2', 'SE_5_3']
    assert list(blocks(net))[-1] == 'conv5_3' and len(blocks(net)) == 16


def test_stages_after_the_last_output_are_left_out():
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1, 1), base_channels=4, out_indices=(0,),
                            context=dict(op=SE)))
    assert list(operators(net)) == ['SE_2_1']
    # And nothing of what follows them.
    head = MODELS.build(dict(type='se_backbones.ResLayer', depth=(1, 1, 1, 1), base_channels=4, context=dict(op=SE)))
    detector = nn.ModuleDict(dict(backbone=net, roi_head=nn.ModuleDict(dict(shared_head=head))))
    assert list(operators(detector)) == ['SE_2_1', 'SE_5_1']


def test_two_backbones_keep_their_names_apart():
    net = dict(type='se_backbones.ResNet', depth=(1,), base_channels=4, context=dict(op=SE))
    pair = nn.ModuleDict(dict(left=MODELS.build(net), right=MODELS.build(net)))
    assert list(operators(pair)) == ['left:SE_2_1', 'right:SE_2_1']


def test_a_stage_stands_for_its_operators_and_order_is_the_networks():
    known = dict.fromkeys(['SE_2_1', 'SE_5_1', 'SE_5_10', 'SE_5_2'])
    assert list(choose(known, ['SE_5', 'SE_2_1'], 'operator')) == list(known)
    assert list(choose(known, ['SE_5_1'], 'operator')) == ['SE_5_1']  # and not SE_5_10


def test_an_unknown_name_is_answered_with_a_near_one():
    with pytest.raises(ValueError, match=r"no operator 'SE_5_9' in this network, which has SE_5_1, SE_5_2.*Did you "
                                         "mean 'SE_5_"):
        choose(dict.fromkeys(['SE_5_1', 'SE_5_2']), ['SE_5_9'], 'operator')
    with pytest.raises(ValueError, match='No block was named'):
        choose({'conv2_1': None}, [], 'block')


def test_a_network_without_operators_is_an_error():
    with pytest.raises(ValueError, match='ResNet has no context operators'):
        operators(MODELS.build(dict(type='se_backbones.ResNet', depth=(1,), base_channels=4)))


def test_the_last_operator_of_each_stage():
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(2, 1), base_channels=4, context=dict(op=SE)))
    assert last_of_each_stage(operators(net)) == ['SE_2_2', 'SE_3_1']
