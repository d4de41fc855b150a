"""Other libraries' networks against ours: with the tensors under our keys, the same numbers come out."""

import re
from functools import cache

import pytest
import torch
from mmpretrain.models import VGG as MMPretrainVGG
from mmpretrain.models import SEResNet, ShuffleNetV1
from mmpretrain.models.backbones.seresnet import SEBottleneck as MMPretrainSEBottleneck
from torch import nn
from torchvision import models as tv
from torchvision.models.vgg import make_layers

from helpers import as_if_trained
from se_backbones.pretrained.errors import LayoutError
from se_backbones.pretrained.layouts import LAYOUTS, detect, get_layout
from se_backbones.pretrained.manifest import find
from se_backbones.registry import MODELS

timm = pytest.importorskip('timm')
legacy = pytest.importorskip('timm.models.senet')
modern = pytest.importorskip('timm.models.resnet')

SHALLOW = (2, 1, 1, 1)
SE = dict(op=dict(type='SqueezeExcite', ratio=16))


def timm_legacy(block, **options):
    return legacy.SENet(getattr(legacy, block), SHALLOW, reduction=16, num_classes=7, **{'groups': 1, **options})


def timm_modern(se=True, **options):
    return modern.ResNet(modern.Bottleneck, SHALLOW, num_classes=7,
                         block_args=dict(attn_layer='se') if se else None, **options)


def timm_inception_resnet_v2():
    network = timm.create_model('inception_resnet_v2', num_classes=7)
    network.repeat, network.repeat_1, network.repeat_2 = network.repeat[:1], network.repeat_1[:1], network.repeat_2[:1]
    return network


def torchvision_resnet(**options):
    return tv.ResNet(tv.resnet.Bottleneck, SHALLOW, num_classes=7, **options)


def caffe_resnet():
    """torchvision's ResNet with the stride in the first 1x1, and convolutions with biases, as Detectron's file has."""
    network = torchvision_resnet()
    for module in list(network.modules()):
        if isinstance(module, tv.resnet.Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.randn(module.out_channels))
    return network


class ShallowSEResNet(SEResNet):
    arch_settings = {50: (MMPretrainSEBottleneck, SHALLOW)}


class MMPretrainClassifier(nn.Module):
    """An mmpretrain classifier's keys around one of its backbones."""

    def __init__(self, backbone, width):
        super().__init__()
        self.backbone, self.head = backbone, nn.Module()
        self.head.fc = nn.Linear(width, 7)

    def forward(self, x):
        return self.head.fc(self.backbone(x)[-1].mean((2, 3)))


# Weights of the manifest: the network of their library, shallow, and what our backbone is told beyond the manifest.
NETWORKS = {
    'se_resnet50.cadene': (lambda: timm_legacy('SEResNetBottleneck'), dict(depth=SHALLOW)),
    'se_resnext26_32x4d.timm_legacy': (lambda: timm_legacy('SEResNeXtBottleneck', groups=32), dict(depth=SHALLOW)),
    'se_resnext50_32x4d.cadene': (lambda: timm_legacy('SEResNeXtBottleneck', groups=32), dict(depth=SHALLOW)),
    'senet154.cadene': (lambda: timm_legacy('SEBottleneck', groups=64, downsample_kernel_size=3, downsample_padding=1,
                                            inplanes=128, input_3x3=True), dict(depth=SHALLOW)),
    'se_resnet50.timm_a1': (timm_modern, dict(depth=SHALLOW)),
    'se_resnet152d.timm_ra2': (lambda: timm_modern(stem_width=32, stem_type='deep', avg_down=True),
                               dict(depth=SHALLOW)),
    'se_resnext50_32x4d.gluon': (lambda: timm_modern(cardinality=32, base_width=4), dict(depth=SHALLOW)),
    'se_resnext101d_32x8d.timm_ah': (lambda: timm_modern(cardinality=32, base_width=8, stem_width=32, stem_type='deep',
                                                         avg_down=True), dict(depth=SHALLOW)),
    'se_resnextaa101d_32x8d.timm_ah': (lambda: timm_modern(
        cardinality=32, base_width=8, stem_width=32, stem_type='deep', avg_down=True, aa_layer=nn.AvgPool2d),
        dict(depth=SHALLOW)),
    'se_resnextaa201d_32x8d.timm_sw_in12k_ft_in1k_384': (lambda: timm_modern(
        cardinality=32, base_width=8, stem_width=64, stem_type='deep', avg_down=True, aa_layer=nn.AvgPool2d),
        dict(depth=SHALLOW)),
    'se_resnext101_64x4d.gluon': (lambda: timm_modern(cardinality=64, base_width=4), dict(depth=SHALLOW)),
    'senet154.gluon': (lambda: timm_modern(cardinality=64, base_width=4, stem_type='deep', down_kernel_size=3,
                                           block_reduce_first=2), dict(depth=SHALLOW)),
    'inception_resnet_v2.timm_tf': (timm_inception_resnet_v2, dict(depth=(1, 1, 2))),
    'se_resnet50.mmpretrain': (lambda: MMPretrainClassifier(ShallowSEResNet(50), 2048), dict(depth=SHALLOW)),
    'shufflenet_v1.mmpretrain': (lambda: MMPretrainClassifier(ShuffleNetV1(groups=3), 960), {}),
    'resnet50.torchvision_v1': (torchvision_resnet, dict(depth=SHALLOW)),
    'resnet18.torchvision_v1': (lambda: tv.ResNet(tv.resnet.BasicBlock, SHALLOW, num_classes=7),
                                dict(depth=SHALLOW, block='basic')),
    'resnext50_32x4d.torchvision_v2': (lambda: torchvision_resnet(groups=32, width_per_group=4), dict(depth=SHALLOW)),
    'wide_resnet50_2.torchvision_v1': (lambda: torchvision_resnet(width_per_group=128), dict(depth=SHALLOW)),
    'resnet50.detectron': (caffe_resnet, dict(depth=SHALLOW)),
}


@cache
def state_of(name):
    """Return the tensors of a network, without memory where its library allows that."""
    with torch.device('cpu' if 'mmpretrain' in name else 'meta'):
        return NETWORKS[name][0]().state_dict()


of_networks = pytest.mark.parametrize('name', NETWORKS)


def randomise(network):
    """Give norms and gates values of their own: fresh ones compute much the same wherever they sit."""
    for name, module in as_if_trained(network, weight=(0.5, 1.0)).named_modules():
        if isinstance(module, nn.Conv2d) and re.search(r'\.se(_module|_layer)?\.', name):
            nn.init.normal_(module.bias, 0, 2)
    network.eval()
    return network


def our_classifier(state, backbone, **changes):
    """Return our backbone with the converted tensors and a linear classifier, as a function of images."""
    network = MODELS.build({**backbone, **changes}).eval()
    weight, bias = state['head.fc.weight'], state['head.fc.bias']
    network.load_state_dict({key: value for key, value in state.items() if not key.startswith('head.')})
    return lambda image: network(image)[-1].mean((2, 3)) @ weight.T + bias


def close(actual, expected):
    """Assert equality at float32 rounding."""
    assert (actual - expected).abs().max() <= 2e-5 * expected.abs().max()


@torch.no_grad()
@of_networks
def test_our_backbone_computes_what_theirs_does(name):
    build, changes = NETWORKS[name]
    theirs, row = randomise(build()), find(name)
    renamed = LAYOUTS[row.layout].to_ours(theirs.state_dict())
    assert renamed.unmatched == ()
    ours = our_classifier(renamed.state, row.backbone, **changes)
    for image in torch.randn(1, 3, 96, 96), torch.randn(1, 3, 129, 97):
        close(ours(image), theirs(image))


@of_networks
def test_there_and_back_again_is_the_same_state(name):
    state, layout = state_of(name), LAYOUTS[find(name).layout]
    there = layout.to_ours(state)
    back = layout.from_ours(there.state)
    taken_up = re.compile(r'(.*conv\d|.*downsample\.0)\.bias' if name == 'resnet50.detectron' else '')
    kept = [key for key in state if not taken_up.fullmatch(key)]
    assert list(back.state) == kept and back.unmatched == () and back.renamed == there.renamed
    assert all(back.state[key] is state[key] for key in kept if not (name == 'resnet50.detectron' and 'mean' in key))


@of_networks
def test_the_layout_of_a_state_is_told_by_its_keys(name):
    state, layout = state_of(name), LAYOUTS[find(name).layout]
    likely = detect(state)
    # Within mmpretrain a ShuffleNet of ours has the same keys as mmpretrain's own.
    assert likely.name == ('se-backbones-classifier' if 'shufflenet' in name else layout.name)
    assert likely.to_ours(state).state.keys() == layout.to_ours(state).state.keys()


@torch.no_grad()
@pytest.mark.parametrize('change', [dict(style='pytorch'), dict(stem_pool='torch')], ids=str)
def test_the_place_of_the_stride_and_the_stem_pool_matter(change):
    build, changes = NETWORKS['se_resnet50.cadene']
    theirs, image = randomise(build()), torch.randn(1, 3, 96, 96)
    state = LAYOUTS['cadene'].to_ours(theirs.state_dict()).state
    ours, expected = our_classifier(state, find('se_resnet50.cadene').backbone, **changes, **change), theirs(image)
    assert (ours(image) - expected).abs().max() > 1e-3 * expected.abs().max()


@torch.no_grad()
def test_timms_legacy_basic_blocks_gate_after_a_relu_which_ours_do_not():
    theirs, image = randomise(timm_legacy('SEResNetBlock')), torch.randn(1, 3, 96, 96)
    renamed = LAYOUTS['timm-legacy'].to_ours(theirs.state_dict())
    backbone = dict(type='se_backbones.ResNet', depth=SHALLOW, block='basic', stem_pool='caffe', context=SE)
    assert renamed.unmatched == ()
    ours, expected = our_classifier(renamed.state, backbone), theirs(image)
    assert (ours(image) - expected).abs().max() > 1e-3 * expected.abs().max()


@torch.no_grad()
@pytest.mark.parametrize('batch_norm', [True, False])
def test_torchvisions_vgg_computes_the_same_under_our_indices(batch_norm):
    layers = make_layers([8, 'M', 16, 'M', 32, 32, 'M', 64, 64, 'M', 64, 64, 'M'], batch_norm)
    theirs, image = randomise(nn.Sequential()), torch.randn(1, 3, 64, 96)
    theirs.features = randomise(layers)
    renamed = LAYOUTS['torchvision'].to_ours(theirs.state_dict())
    ours = MODELS.build(dict(type='se_backbones.VGG', depth=11, base_channels=8,
                             norm_cfg=dict(type='BN') if batch_norm else None)).eval()
    ours.load_state_dict(renamed.state)
    close(ours(image)[-1], layers(image))
    assert list(LAYOUTS['torchvision'].from_ours(ours.state_dict()).state) == list(theirs.state_dict())
    assert detect(theirs.state_dict()).name == 'torchvision'


@torch.no_grad()
def test_mmpretrains_vgg_computes_the_same():
    theirs, image = nn.Module(), torch.randn(1, 3, 64, 64)
    theirs.backbone = randomise(MMPretrainVGG(11, norm_cfg=dict(type='BN'), with_last_pool=True))
    ours = MODELS.build(dict(type='se_backbones.VGG', depth=11)).eval()
    ours.load_state_dict(LAYOUTS['mmpretrain'].to_ours(theirs.state_dict()).state)
    close(ours(image)[-1], theirs.backbone(image)[-1])


@torch.no_grad()
@pytest.mark.parametrize('deep_stem', [True, False])
@pytest.mark.parametrize('avg_down', [True, False])
def test_mmpretrains_other_stem_and_shortcuts_compute_the_same(deep_stem, avg_down):
    variant = dict(deep_stem=deep_stem, avg_down=avg_down)
    theirs = randomise(MMPretrainClassifier(ShallowSEResNet(50, **variant), 2048))
    image = torch.randn(1, 3, 97, 96)
    renamed = LAYOUTS['mmpretrain'].to_ours(theirs.state_dict())
    assert renamed.unmatched == () and detect(theirs.state_dict()).name == 'mmpretrain'
    backbone = dict(type='se_backbones.ResNet', depth=SHALLOW, context=SE, **variant)
    close(our_classifier(renamed.state, backbone)(image), theirs(image))
    assert list(LAYOUTS['mmpretrain'].from_ours(renamed.state).state) == list(theirs.state_dict())


def test_a_backbone_of_mmpretrain_alone_has_no_prefix():
    state = ShallowSEResNet(50).state_dict()
    assert detect(state).name == 'mmpretrain-backbone'
    ours = LAYOUTS['mmpretrain-backbone'].to_ours(state)
    assert 'layer1.0.context.standard.excite.down.weight' in ours.state and ours.unmatched == ()


@pytest.mark.parametrize('config', [
    dict(type='ResNet', depth=SHALLOW, base_channels=8, context=SE),
    dict(type='ResNet', depth=SHALLOW, base_channels=8, deep_stem=True,
         context=dict(op=dict(type='GatherExcite', variant='theta_plus', extent=8))),
    dict(type='SENet', depth=SHALLOW, base_channels=64), dict(type='VGG', depth=11, base_channels=8, context=SE),
    dict(type='BNInception', context=SE, widen_factor=0.1), dict(type='ShuffleNetV1', context=SE),
    dict(type='InceptionResNetV2', depth=(1, 1, 1), widen_factor=0.1, context=SE),
    dict(type='MobileNetV1', context=SE), dict(type='PreActResNet', depth=(1, 1, 1), context=SE),
    dict(type='WideResNet', depth=16, widen_factor=1, context=SE), dict(type='ShakeShake', depth=26, context=SE),
], ids=lambda config: config['type'])
def test_our_own_keys_stay_as_they_are_and_are_known(config):
    with torch.device('meta'):
        state = MODELS.build({**config, 'type': f'se_backbones.{config["type"]}'}).state_dict()
    ours = LAYOUTS['se-backbones'].to_ours(state)
    assert list(ours.state) == list(state) and ours.renamed == 0 and ours.unmatched == ()
    whole = {**{f'backbone.{key}': value for key, value in state.items()}, 'head.fc.bias': torch.zeros(2)}
    assert detect(whole).name == 'se-backbones-classifier'
    assert list(LAYOUTS['se-backbones-classifier'].to_ours(whole).state) == [*state, 'head.fc.bias']
    assert list(LAYOUTS['se-backbones-classifier'].from_ours(ours.state).state) == list(whole)[:-1]


def test_what_a_library_has_no_keys_for_is_named():
    gather = {'layer1.0.context.standard.gather.layers.0.weight': torch.zeros(1), 'conv1.weight': torch.zeros(1)}
    pre = {'repeat.0.context.pre.excite.up.bias': torch.zeros(1), 'layer1.0.context.3x3.excite.up.bias': torch.zeros(1)}
    for name in ('timm', 'timm-legacy', 'torchvision', 'mmpretrain', 'mmdet-caffe'):
        assert LAYOUTS[name].from_ours(gather).unmatched == ('layer1.0.context.standard.gather.layers.0.weight',)
        assert LAYOUTS[name].from_ours(pre).unmatched == tuple(pre)


def test_a_detectors_other_parts_are_left_out():
    state = {f'backbone.{key}': value for key, value in torchvision_resnet().state_dict().items() if 'fc' not in key}
    state |= {'neck.lateral_convs.0.conv.weight': torch.zeros(1), 'bbox_head.fc.weight': torch.zeros(1)}
    renamed = LAYOUTS['mmpretrain'].to_ours(state)
    assert renamed.unmatched == ('neck.lateral_convs.0.conv.weight', 'bbox_head.fc.weight')


@pytest.mark.parametrize(('name', 'given', 'likely'), [
    ('se_resnet50.cadene', 'timm', 'timm-legacy'), ('senet154.cadene', 'timm', 'timm-legacy'),
    ('se_resnet50.timm_a1', 'cadene', 'timm'), ('se_resnet50.mmpretrain', 'timm', 'mmpretrain'),
    ('resnet50.torchvision_v1', 'timm-legacy', 'torchvision'), ('se_resnet50.timm_a1', 'se-backbones', 'timm'),
    ('senet154.gluon', 'se-backbones', 'timm')])
def test_a_state_in_another_layout_is_refused_and_the_likely_one_is_named(name, given, likely):
    state = state_of(name)
    with pytest.raises(LayoutError, match=f"They look like '{likely}'") as error:
        LAYOUTS[given].to_ours(state)
    assert f'{len(state)} others: {next(iter(state))}' in str(error.value)


@pytest.mark.parametrize(('state', 'reason'), [
    ({'encoder.weight': torch.zeros(1), 'decoder.weight': torch.zeros(1)}, 'encoder.weight.* match no known layout'),
    ({}, 'There are no tensors')], ids=['other', 'empty'])
def test_keys_of_no_layout_are_refused(state, reason):
    assert detect(state) is None
    with pytest.raises(LayoutError, match=reason):
        LAYOUTS['timm'].to_ours(state)


def test_an_unknown_layout_gets_the_names_and_a_suggestion():
    with pytest.raises(LayoutError, match="no key layout 'tim'; there are se-backbones, .*Did you mean 'timm'"):
        get_layout('tim')


def test_cadene_is_another_name_of_timm_legacy():
    assert get_layout('cadene') is get_layout('timm-legacy')
