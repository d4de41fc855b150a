"""The table of names, both ways, against the names in the released prototxts."""

import pytest
import torch

from se_backbones.lab.caffe import LAYER_RULES
from se_backbones.registry import MODELS

CAFFE = dict(type='se_backbones.ResNet', style='caffe', stem_pool='caffe')
SE = dict(context=dict(op=dict(type='SqueezeExcite')))
FULL = {
    'se_resnet': [dict(CAFFE, depth=152, **SE), dict(type='se_backbones.ResNeXt', depth=101, **SE)],
    'senet': [dict(type='se_backbones.SENet')],
    'se_bn_inception': [dict(type='se_backbones.BNInception', **SE)],
    'genet': [dict(CAFFE, depth=50, context=dict(op=dict(type='GatherExcite', variant='theta_plus')))],
}


@pytest.mark.parametrize(('family', 'layer', 'blob', 'key'), [
    ('se_resnet', 'conv1/7x7_s2', 0, 'conv1.weight'),
    ('se_resnet', 'conv1/7x7_s2/bn', 1, 'bn1.running_var'),
    ('se_resnet', 'conv2_1_1x1_reduce/bn/scale', 1, 'layer1.0.bn1.bias'),
    ('se_resnet', 'conv4_23_3x3', 0, 'layer3.22.conv2.weight'),
    ('se_resnet', 'conv4_36_1x1_down', 1, 'layer3.35.context.standard.excite.down.bias'),
    ('se_resnet', 'conv5_1_1x1_proj/bn', 0, 'layer4.0.downsample.1.running_mean'),
    ('se_resnet', 'classifier', 0, 'head.fc.weight'),
    ('senet', 'conv1_1/3x3_s2/bn/scale', 0, 'stem.1.weight'),
    ('senet', 'conv1_3/3x3', 0, 'stem.6.weight'),
    ('senet', 'conv3_8_1x1_up', 0, 'layer2.7.context.standard.excite.up.weight'),
    ('se_bn_inception', 'conv2/3x3_reduce/bn', 0, 'conv2_3x3_reduce.bn.running_mean'),
    ('se_bn_inception', 'inception_4c/double3x3a', 0, 'inception_4c.double3x3a.conv.weight'),
    ('se_bn_inception', 'inception_5b_1x1_up', 1, 'inception_5b.context.standard.excite.up.bias'),
    ('genet', 'conv2_1/1x1_increase/bn', 0, 'layer1.0.bn3.weight'),
    ('genet', 'conv2_1/gather', 0, 'layer1.0.context.standard.gather.conv1.weight'),
    ('genet', 'conv5_3/gather/bn', 3, 'layer4.2.context.standard.gather.bn1.running_var'),
    ('genet', 'conv3_4/excite/1x1_down', 0, 'layer2.3.context.standard.excite.down.weight'),
])
def test_names_are_the_released_ones_both_ways(family, layer, blob, key):
    assert LAYER_RULES[family].caffe_to_ours(layer, blob) == key
    assert LAYER_RULES[family].ours_to_caffe(key) == (layer, blob)


@pytest.mark.parametrize('family', LAYER_RULES)
def test_every_tensor_has_a_place_of_its_own_and_comes_back(family):
    for config in FULL[family]:
        with torch.device('meta'):
            keys = [key for key in MODELS.build(config).state_dict() if not key.endswith('num_batches_tracked')]
        places = {key: LAYER_RULES[family].ours_to_caffe(key) for key in keys}
        assert len(set(places.values())) == len(keys)
        assert all(LAYER_RULES[family].caffe_to_ours(*place) == key for key, place in places.items())


def test_the_scale_factor_of_a_norm_has_no_key():
    assert LAYER_RULES['se_resnet'].caffe_to_ours('conv1/7x7_s2/bn', 2) is None


@pytest.mark.parametrize('layer', ['conv2_1', 'conv2_1_prob', 'conv2_1_1x1_reduce/relu', 'fc1000', 'conv2_x_3x3'])
def test_other_layers_have_no_key(layer):
    assert LAYER_RULES['se_resnet'].caffe_to_ours(layer, 0) is None


@pytest.mark.parametrize('key', ['fc.weight', 'layer1.0.conv4.weight', 'bn1.num_batches_tracked', 'stem.0.weight'])
def test_other_keys_have_no_layer(key):
    assert LAYER_RULES['se_resnet'].ours_to_caffe(key) is None
