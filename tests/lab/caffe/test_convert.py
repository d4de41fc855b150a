"""Converted networks compute what Caffe's do, as a computation layer by layer and OpenCV's reader of the files say."""

import re

import cv2
import numpy as np
import pytest
import torch

from se_backbones.lab.caffe import LAYER_RULES, Layer, convert_caffemodel
from se_backbones.lab.caffe.networks import _squeeze_excite, _style, backbone_of, family_of
from se_backbones.lab.caffe.schema import message_class
from se_backbones.pretrained.errors import CheckpointError, LayoutError
from se_backbones.pretrained.manifest import manifest
from se_backbones.registry import MODELS

SHALLOW = (2, 1, 1, 2)
CAFFE = dict(style='caffe', stem_pool='caffe', base_channels=8)
SE = dict(context=dict(op=dict(type='SqueezeExcite', ratio=4)))
GROUPED = dict(stem_pool='caffe', base_channels=8, base_width=4)


def ge(variant, **options):
    return dict(context=dict(op=dict(type='GatherExcite', variant=variant, **options)))


def resnet(depth, **options):
    return dict(type='se_backbones.ResNet', depth=depth, **CAFFE, **options)


# The released depths on small images, fewer blocks on sizes where a pool without padding, rounded up, reads other
# pixels than a padded one and may give one row more or less. SE-BN-Inception's odd maps do not fit each other in Caffe.
NETWORKS = {
    'SE-ResNet-50': (lambda c: c.se_resnet((3, 4, 6, 3), (64, 64)), resnet(50, **SE)),
    'SE-ResNet-101': (lambda c: c.se_resnet((3, 4, 23, 3), (64, 64)), resnet(101, **SE)),
    'SE-ResNet-152': (lambda c: c.se_resnet((3, 8, 36, 3), (64, 64)), resnet(152, **SE)),
    'SE-ResNet, 224': (lambda c: c.se_resnet(SHALLOW), resnet(SHALLOW, **SE)),
    'SE-ResNet, 225x97': (lambda c: c.se_resnet(SHALLOW, (225, 97)), resnet(SHALLOW, **SE)),
    'SE-ResNeXt-50': (lambda c: c.se_resnext((3, 4, 6, 3), (64, 64)),
                      dict(type='se_backbones.ResNeXt', depth=50, groups=4, **GROUPED, **SE)),
    'SE-ResNeXt-101': (lambda c: c.se_resnext((3, 4, 23, 3), (64, 64)),
                       dict(type='se_backbones.ResNeXt', depth=101, groups=4, **GROUPED, **SE)),
    'SE-ResNeXt, 99x227': (lambda c: c.se_resnext(SHALLOW, (99, 227)),
                           dict(type='se_backbones.ResNeXt', depth=SHALLOW, groups=4, **GROUPED, **SE)),
    'SENet-154': (lambda c: c.senet((3, 8, 36, 3), (64, 64)),
                  dict(type='se_backbones.SENet', depth=154, groups=8, **GROUPED, **SE)),
    'SENet, 225x97': (lambda c: c.senet(SHALLOW, (225, 97)),
                      dict(type='se_backbones.SENet', depth=SHALLOW, groups=8, **GROUPED, **SE)),
    'SE-BN-Inception, 224': (lambda c: c.se_bn_inception(),
                             dict(type='se_backbones.BNInception', widen_factor=0.125, **SE)),
    'SE-BN-Inception, 223x159': (lambda c: c.se_bn_inception((223, 159)),
                                 dict(type='se_backbones.BNInception', widen_factor=0.125, **SE)),
    'RN50-GEPF': (lambda c: c.genet('GEPF', (3, 4, 6, 3), (64, 64)), resnet(50, **ge('theta_minus'))),
    'RN50-GEP': (lambda c: c.genet('GEP', (3, 4, 6, 3), (64, 64)), resnet(50, input_size=(64, 64), **ge('theta'))),
    'RN50-GEPP': (lambda c: c.genet('GEPP', (3, 4, 6, 3), (64, 64)),
                  resnet(50, input_size=(64, 64), **ge('theta_plus', ratio=4))),
    'GEP, 224': (lambda c: c.genet('GEP', SHALLOW), resnet(SHALLOW, **ge('theta'))),
    'GEPP, 97': (lambda c: c.genet('GEPP', SHALLOW, (97, 97)),
                 resnet(SHALLOW, input_size=(96, 96), **ge('theta_plus', ratio=4))),
}
PUBLISHED = {name.removesuffix('.caffe'): dict(row.backbone) for name, row in manifest().items()
             if row.layout == 'caffe-senet'}


def loaded(converted, **changes):
    """Return our backbone, which has all its tensors from the conversion and no other."""
    backbone = MODELS.build({**converted.backbone, **changes})
    backbone.load_state_dict({key: value for key, value in converted.state.items() if not key.startswith('head.')})
    return backbone.double().eval()


@torch.no_grad()
def scores(backbone, state, image):
    weight, bias = state['head.fc.weight'].double(), state['head.fc.bias'].double()
    return backbone(image.double())[-1].mean((2, 3)) @ weight.t() + bias


def image_for(net):
    return 60 * torch.randn(1, 3, *net.size)


def relative(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


@pytest.mark.parametrize('name', NETWORKS)
def test_outputs_and_config_are_those_of_the_caffe_network(caffe, write, name):
    build, backbone = NETWORKS[name]
    net = build(caffe)
    converted = convert_caffemodel(*write(net))
    assert converted.backbone == backbone
    image = image_for(net)
    assert relative(scores(loaded(converted), converted.state, image), net.scores(image.double())) < 1e-11
    assert converted.report.layers == sum(bool(layer['blobs']) for layer in net.layers)
    assert not converted.report.unknown and not converted.report.not_finite


def test_the_comparison_sees_the_stride_and_the_pool(caffe, write):
    net = caffe.se_resnet(SHALLOW, (97, 97))
    converted = convert_caffemodel(*write(net))
    image = image_for(net)
    for change in (dict(style='pytorch'), dict(stem_pool='torch')):
        assert relative(scores(loaded(converted, **change), converted.state, image), net.scores(image.double())) > 1e-3


@pytest.mark.parametrize('name', ['SE-ResNet, 224', 'SE-ResNeXt, 99x227', 'SENet, 225x97', 'SE-BN-Inception, 223x159'])
def test_outputs_are_those_of_opencvs_reader(caffe, write, name):
    net = NETWORKS[name][0](caffe)
    model, prototxt = write(net)
    converted = convert_caffemodel(model)
    # OpenCV takes the second and the third input of Axpy, scale * x + y, for each other.
    text = re.sub(r'(type: "Axpy"\n  bottom: .*\n)(  bottom: .*\n)(  bottom: .*\n)', r'\1\3\2', prototxt.read_text())
    prototxt.write_text(text)
    theirs = cv2.dnn.readNetFromCaffe(str(prototxt), str(model))
    image = image_for(net)
    theirs.setInput(image.numpy())
    wanted = torch.from_numpy(theirs.forward('classifier')).double()
    # OpenCV computes in float32.
    assert relative(scores(loaded(converted), converted.state, image), wanted) < 1e-4


def test_the_backbone_is_known_without_the_prototxt(caffe, write):
    for net in (caffe.se_resnext((1, 1)), caffe.genet('GEPF', (1, 1))):
        model, prototxt = write(net)
        assert convert_caffemodel(model).backbone == convert_caffemodel(model, prototxt).backbone


def full_size(backbone, family):
    """Return the layers of a network of ours under Caffe's names, with the shapes of their blobs alone."""
    with torch.device('meta'):
        network = MODELS.build(dict(backbone))
    blobs = {}
    for key, value in network.state_dict().items():
        if not key.endswith('num_batches_tracked'):
            layer, number = LAYER_RULES[family].ours_to_caffe(key)
            blobs.setdefault(layer, {})[number] = value
    settings = message_class('LayerParameter')()
    return {name: Layer(name, '', tuple(tensors[number] for number in sorted(tensors)), settings)
            for name, tensors in blobs.items()}


@pytest.mark.parametrize('name', PUBLISHED)
def test_released_sizes_give_the_published_config(name):
    family = {'senet154': 'senet', 'se_bn_inception': 'se_bn_inception'}.get(name, 'se_resnet')
    layers = full_size(PUBLISHED[name], family)
    assert family_of(layers) == family
    found, published = backbone_of(layers, family), PUBLISHED[name]
    default_groups = dict(groups=64, base_width=4) if family == 'senet' else {}
    assert {**default_groups, **found} == {**default_groups, **published}


def test_biasless_operators_and_another_eps_are_in_the_config(caffe, write):
    net = caffe.se_resnet((1, 1), (64, 64))
    for layer in net.layers:
        if layer['name'].endswith(('1x1_down', '1x1_up')):
            layer['blobs'].pop()
            layer['settings']['convolution_param']['bias_term'] = False
        if layer['type'] == 'BatchNorm':
            layer['settings']['batch_norm_param']['eps'] = 1e-3
    converted = convert_caffemodel(*write(net))
    assert converted.backbone['norm_cfg'] == dict(type='BN', eps=1e-3)
    assert converted.backbone['context'] == dict(op=dict(type='SqueezeExcite', ratio=4, bias=False))
    image = image_for(net)
    # eps is a float32 in the file.
    assert relative(scores(loaded(converted), converted.state, image), net.scores(image.double())) < 1e-6


def test_the_prototxt_says_what_the_layers_are_and_the_other_file_has_their_numbers(caffe, write):
    net = caffe.se_resnet((1, 1), (64, 64))
    model, prototxt = write(net)
    for layer in net.layers:
        if layer['type'] == 'BatchNorm':
            layer['settings']['batch_norm_param']['eps'] = 1e-3
    for name, stride in (('1x1_reduce', 1), ('3x3', 2)):
        net.layer(f'conv3_1_{name}')['settings']['convolution_param']['stride'] = stride
    prototxt.write_text(net.prototxt())
    converted = convert_caffemodel(model, prototxt)
    assert converted.backbone['norm_cfg'] == dict(type='BN', eps=1e-3) and 'style' not in converted.backbone
    image = image_for(net)
    assert relative(scores(loaded(converted), converted.state, image), net.scores(image.double())) < 1e-6


@pytest.mark.parametrize('stride', [dict(stride_h=2, stride_w=2), dict(stride=[2, 2])], ids=str)
def test_strides_are_read_however_they_are_written(caffe, stride):
    layers = {name: Layer(name, 'Convolution', (), message_class('LayerParameter')(convolution_param=dict(
        num_output=4, **options))) for name, options in (('reduce', dict(stride=[1])), ('3x3', stride))}
    assert _style([{'caffe': layers['reduce'], 'pytorch': layers['3x3']}], 'caffe') == 'pytorch'


def test_a_network_of_other_strides_is_refused(caffe, write):
    net = caffe.se_resnet((1, 1), (64, 64))
    net.layer('conv3_1_1x1_reduce')['settings']['convolution_param']['stride'] = 1
    with pytest.raises(LayoutError, match='Each stage after the first has a stride of 2'):
        convert_caffemodel(write(net)[0])


def test_the_old_four_dimensional_blobs_are_read(caffe, write):
    net = caffe.se_resnet((1, 1), (64, 64))
    wanted = convert_caffemodel(*write(net)).state
    for layer in net.layers:
        layer['blobs'] = [blob.reshape((1,) * (4 - blob.ndim) + blob.shape) for blob in layer['blobs']]
    state = convert_caffemodel(*write(net)).state
    assert state.keys() == wanted.keys() and all(torch.equal(state[key], wanted[key]) for key in wanted)


def test_a_new_classifier_is_left_out_and_reported(caffe, write):
    net = caffe.genet('GEPF', (3, 4, 6, 3), (64, 64))
    net.layer('classifier')['name'] = 'fc_pets'
    converted = convert_caffemodel(write(net)[0])
    assert converted.report.unknown == ('fc_pets',)
    assert not any(key.startswith('head.') for key in converted.state)


def test_nan_is_kept_and_reported(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    net.layer('conv2_1_3x3')['blobs'][0][0, 0, 0, 0] = np.nan
    converted = convert_caffemodel(write(net)[0])
    assert converted.report.not_finite == ('conv2_1_3x3',)
    assert converted.state['layer1.0.conv2.weight'].isnan().sum() == 1


def test_a_norm_that_saw_no_images_is_refused(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    net.layer('conv2_1_3x3/bn')['blobs'][2][:] = 0
    with pytest.raises(CheckpointError, match=r'norm conv2_1_3x3/bn has no statistics .* never trained'):
        convert_caffemodel(write(net)[0])


def test_another_network_is_refused_by_its_layers(caffe, write):
    net = caffe.Net((64, 64))
    net.classifier(net.conv('fire2/squeeze', 'data', 4, 1), 10)
    with pytest.raises(LayoutError, match=r'The layers data, fire2/squeeze, classifier match no known network'):
        convert_caffemodel(write(net)[0])


@pytest.mark.parametrize(('layer', 'said'), [
    ('conv3_1_1x1_up', 'lacks parameters of conv3_1_1x1_up.$'),
    ('conv3_1_3x3/bn/scale', 'lacks parameters of conv3_1_3x3/bn/scale.$'),
    ('conv3_1_1x1_reduce', 'has parameters of its own in conv3_1_1x1_reduce/bn, '),
    ('conv2_1_3x3', 'no layer conv2_1_3x3 with the kernels of a convolution. Is the file truncated'),
])
def test_a_missing_layer_is_named(caffe, write, layer, said):
    net = caffe.se_resnet((1, 1), (64, 64))
    net.layers.remove(net.layer(layer))
    with pytest.raises(LayoutError, match=said):
        convert_caffemodel(write(net)[0])


def test_a_layer_of_another_width_is_named(caffe, write):
    net = caffe.se_resnet((1, 1), (64, 64))
    net.layer('conv3_1_3x3')['blobs'][0] = net.uniform(-1, 1, 16, 15, 3, 3)
    with pytest.raises(LayoutError, match='has parameters of another shape in conv3_1_3x3.$'):
        convert_caffemodel(write(net)[0])


def test_a_file_that_ends_between_two_layers_is_refused(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    model = write(net)[0]
    whole = list(net.layers)
    for count in range(1, len(whole)):
        net.layers = whole[:count]
        model.write_bytes(net.caffemodel())
        with pytest.raises((CheckpointError, LayoutError)):
            convert_caffemodel(model)


def test_operators_without_a_common_ratio_are_refused(caffe, write):
    net = caffe.se_resnet((1, 1), (64, 64))
    net.layer('conv3_1_1x1_down')['blobs'] = [net.uniform(-1, 1, 3, 64, 1, 1), net.uniform(-1, 1, 3)]
    with pytest.raises(LayoutError, match='no common reduction ratio: 32 to 8, 64 to 3 channels'):
        convert_caffemodel(write(net)[0])


def test_theta_minus_without_its_layers_needs_the_prototxt(caffe, write):
    net = caffe.genet('GEPF', (1, 1), (64, 64))
    prototxt = write(net)[1]
    net.layers = [layer for layer in net.layers if layer['blobs']]
    model = prototxt.with_name('stripped.caffemodel')
    model.write_bytes(net.caffemodel())
    with pytest.raises(LayoutError, match='no layer conv2_1/gather, .* give the prototxt too'):
        convert_caffemodel(model)
    assert convert_caffemodel(model, prototxt).backbone['context'] == ge('theta_minus')['context']


def test_norms_of_different_eps_are_refused(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    net.layer('conv2_1_3x3/bn')['settings']['batch_norm_param']['eps'] = 1e-3
    with pytest.raises(LayoutError, match=r'norms have different eps \(1e-05, 0.001\)'):
        convert_caffemodel(write(net)[0])


@pytest.mark.parametrize('option', ['class_order', 'fold_preprocessing'])
def test_an_unknown_option_is_refused(option):
    with pytest.raises(ValueError, match=f"{option} must be one of .*, got 'rgb'"):
        convert_caffemodel('net.caffemodel', **{option: 'rgb'})


def test_kernels_that_do_not_fit_each_other_are_named(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    net.layer('conv2_1_3x3')['blobs'][0] = net.uniform(-1, 1, 8, 3, 3, 3)
    with pytest.raises(LayoutError, match='conv2_1_3x3 takes 3 channels in each group, .* gives 8'):
        convert_caffemodel(write(net)[0])


def test_sizes_that_no_backbone_can_have_are_refused(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    net.layer('conv2_1_1x1_increase')['blobs'][0] = net.uniform(-1, 1, 2, 8, 1, 1)
    with pytest.raises(LayoutError, match='which is impossible: base_channels must be an int of at least 1, got 0'):
        convert_caffemodel(write(net)[0])


def test_kernels_without_numbers_are_no_kernels(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    # Sizes without numbers cost a file nothing.
    net.layer('conv2_1_1x1_down')['blobs'][0] = np.zeros((0, 2**30, 1, 1), np.float32)
    with pytest.raises(LayoutError, match='no layer conv2_1_1x1_down with the kernels of a convolution'):
        convert_caffemodel(write(net)[0])


@pytest.mark.parametrize(('channels', 'reduced', 'ratio'), [
    ((64, 128), (4, 8), 16), ((64, 128), (16, 32), 4), ((64, 64), (21, 21), 3), ((8, 12), (1, 1), 16),
    ((64, 128), (1, 1), 65), ((64, 2**28), (1, 2**23), None), ((64, 128), (4, 16), None)], ids=str)
def test_the_reduction_ratio_is_16_or_the_least_that_fits(channels, reduced, ratio):
    layers = {f'conv2_{number}_1x1_down': Layer('', 'Convolution', (torch.empty(r, c, 1, 1, device='meta'),), None)
              for number, (c, r) in enumerate(zip(channels, reduced), 1)}
    if ratio is None:
        with pytest.raises(LayoutError, match='no common reduction ratio'):
            _squeeze_excite(layers)
    else:
        assert _squeeze_excite(layers)['ratio'] == ratio
        assert all(max(1, c // ratio) == r for c, r in zip(channels, reduced))


def test_blocks_beyond_all_networks_are_refused_before_one_is_built(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    for block in range(1001):
        net.add(f'conv3_{block}_1x1_reduce', 'Convolution', [])
    with pytest.raises(LayoutError, match='There are 1002 blocks, more than any network has'):
        convert_caffemodel(write(net)[0])


@pytest.mark.parametrize('name', ['conv0_0_3x3', f'conv{"9" * 5000}_1_3x3', f'conv2_{"9" * 5000}_3x3'],
                         ids=['zero', 'stage', 'block'])
def test_numbers_that_no_unit_has_are_those_of_no_layer(name):
    assert LAYER_RULES['se_resnet'].to_ours(name) is None
