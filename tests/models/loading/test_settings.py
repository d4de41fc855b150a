"""What no tensor shows: files carry it, published ones are known by name, and whoever loads compares."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import load_checkpoint
from torch import nn

from se_backbones.lab.convert.conversion import convert
from se_backbones.lab.publish.checkpoints import publish
from se_backbones.models.loading import MisfitError, differences, settings
from se_backbones.pretrained.guard import no_code_from_checkpoints
from se_backbones.pretrained.manifest import find
from se_backbones.pretrained.requirements import preprocessing_warnings, setting_problems, settings_of

NARROW = dict(type='se_backbones.ResNet', depth=(1, 1, 1, 1), base_channels=4, input_size=64)
SE = dict(op=dict(type='SqueezeExcite', ratio=4))
MSRA = 'resnet50_msra-5891d200.pth'


class Classifier(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.backbone = MODELS.build(dict(NARROW, **kwargs))


def se(**op):
    return dict(context=dict(op=dict(SE['op'], **op)))


DIFFERENT = [
    (dict(style='caffe'), {}, "style='pytorch', but {} was trained with style='caffe'"),
    (dict(stem_pool='caffe'), {}, "stem_pool='torch', but {} was trained with stem_pool='caffe'"),
    (dict(style='aa'), {}, "style='pytorch', but {} was trained with style='aa'"),
    ({}, dict(stem_pool='avg'), "stem_pool='avg', but {} was trained with stem_pool='torch'"),
    (dict(norm_cfg=dict(type='BN', eps=1e-3)), {},
     "norm_cfg.eps='1e-05', but {} was trained with norm_cfg.eps='0.001'"),
    (dict(norm_cfg=dict(type='GN', num_groups=2)), dict(norm_cfg=dict(type='GN', num_groups=4)),
     "norm_cfg.num_groups='4', but {} was trained with norm_cfg.num_groups='2'"),
    ({}, dict(conv_cfg=dict(type='ConvWS')), "conv_cfg='ConvWS', but {} was trained with conv_cfg='Conv'"),
    (se(), se(gate='tanh'), "layer1.0.context.standard: squeeze='avg', gate='tanh', but {} was trained with "
                            "squeeze='avg', gate='sigmoid'"),
    (se(squeeze='max'), se(), "layer1.0.context.standard: squeeze='avg', gate='sigmoid', but"),
    (dict(context=dict(op=dict(type='GatherExcite', extent=4))),
     dict(context=dict(op=dict(type='GatherExcite', extent=8))),
     "extent=8, gate='sigmoid', but {} was trained with variant='theta_minus', extent=4"),
]


def test_the_style_of_basic_blocks_and_the_norms_of_plugin_layers_change_nothing_that_is_loaded():
    basic = [settings(MODELS.build(dict(NARROW, block='basic', style=style))) for style in ('pytorch', 'caffe', 'aa')]
    assert basic[0] == basic[1] != basic[2]
    norm_cfg = dict(type='BN', eps=1e-3)
    plugins = [dict(cfg=dict(type='ContextBlock', ratio=0.25), stages=(True,) * 4, position='after_conv3')]
    assert settings(MODELS.build(dict(NARROW, norm_cfg=norm_cfg, plugins=plugins))) == settings(
        MODELS.build(dict(NARROW, norm_cfg=norm_cfg)))


@pytest.mark.parametrize(('theirs', 'ours', 'words'), DIFFERENT, ids=[words[:20] for *_, words in DIFFERENT])
def test_a_file_of_ours_says_what_its_network_is(theirs, ours, words, tmp_path):
    """As a Runner saves it, with mmengine's own loader: load_from, get_model, inferencers."""
    path = str(tmp_path / 'epoch_1.pth')
    torch.save(dict(state_dict=Classifier(**theirs).state_dict(), meta={}), path)
    load_checkpoint(Classifier(**theirs), path)
    with pytest.raises(MisfitError) as error:
        load_checkpoint(Classifier(**ours), path)
    assert words.format('the checkpoint') in str(error.value)
    # init_cfg names the file, and has a way out.
    init = dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    with pytest.raises(MisfitError) as error:
        Classifier(**ours, init_cfg=init).backbone.init_weights()
    assert words.format(path) in str(error.value) and 'strict=False' in str(error.value)
    Classifier(**ours, init_cfg=dict(init, strict=False)).backbone.init_weights()


@pytest.mark.parametrize('file_format', ['safetensors', 'pth'])
def test_so_does_a_published_file(tmp_path, file_format):
    torch.save(dict(state_dict=Classifier(style='caffe').state_dict(), meta={}), tmp_path / 'epoch_1.pth')
    made = publish(tmp_path / 'epoch_1.pth', tmp_path / 'net', file_format)
    init = dict(type='Pretrained', checkpoint=str(made.path), prefix='backbone.')
    with pytest.raises(MisfitError, match=r"style='pytorch', but .*style='caffe'"):
        Classifier(init_cfg=init).backbone.init_weights()
    Classifier(style='caffe', init_cfg=init).backbone.init_weights()


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_so_does_a_converted_file(tmp_path, suffix):
    import timm
    torch.save(timm.create_model('seresnet50').state_dict(), tmp_path / 'theirs.pth')
    done = convert(tmp_path / 'theirs.pth', 'se-backbones', 'timm', 'se_resnet50').write(tmp_path / f'ours.{suffix}')
    backbone = dict(type='se_backbones.ResNet', depth=50, context=dict(op=dict(type='SqueezeExcite')),
                    init_cfg=dict(type='Pretrained', checkpoint=str(done)))
    MODELS.build(backbone).init_weights()
    with pytest.raises(MisfitError, match=r"stem_pool='caffe', but .* was trained with stem_pool='torch'"):
        MODELS.build(dict(backbone, stem_pool='caffe')).init_weights()


def test_trained_biases_are_not_dropped(tmp_path):
    torch.save(Classifier(**se()).backbone.state_dict(), tmp_path / 'se.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'se.pth'))
    with pytest.raises(MisfitError, match=r'layers that it does not have \(.*context.standard.excite.down.bias'):
        Classifier(**se(bias=False), init_cfg=init).backbone.init_weights()


def test_a_published_file_is_known_by_its_name(tmp_path):
    """The classic: Detectron 2's weights have the stride in the first 1x1."""
    state = MODELS.build(dict(NARROW, style='caffe')).state_dict()
    del state._metadata
    torch.save(state, tmp_path / MSRA)
    init = dict(type='Pretrained', checkpoint=str(tmp_path / MSRA))
    with pytest.raises(MisfitError, match=rf"style='pytorch', but .*{MSRA} was trained with style='caffe'"):
        Classifier(init_cfg=init).backbone.init_weights()
    Classifier(style='caffe', init_cfg=init).backbone.init_weights()
    # load_from in our tools
    with no_code_from_checkpoints(), pytest.raises(MisfitError, match=r"was trained with style='caffe'"):
        load_checkpoint(Classifier().backbone, str(tmp_path / MSRA))


@pytest.mark.parametrize('model', [
    dict(pretrained='open-mmlab://detectron2/resnet50_caffe', backbone=dict(type='se_backbones.ResNet', depth=50)),
    dict(detector=dict(backbone=dict(type='se_backbones.ResNet', depth=50, init_cfg=dict(
        type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe'))))], ids=["mmseg's", 'in a tracker'])
def test_so_is_what_a_model_hands_on_or_has_around_it(model):
    key = 'model.detector' if 'detector' in model else 'model'
    assert next(setting_problems(Config(dict(model=model)))).startswith(f"{key}.backbone has style='pytorch'")
    grey = dict(type='MultiBranchDataPreprocessor', data_preprocessor=dict(mean=[1.0] * 3))
    assert 'was trained on' in next(preprocessing_warnings(Config(dict(model={**model, 'data_preprocessor': grey}))))


@pytest.mark.parametrize('key', ['init_cfg', 'pretrained', 'load_from'])
@pytest.mark.parametrize('checkpoint', ['open-mmlab://detectron2/resnet50_caffe', f'/data/{MSRA}',
                                        'se-backbones://resnet50.detectron2'])
def test_before_a_run_its_config_is_compared(key, checkpoint):
    model = dict(backbone=dict(type='se_backbones.ResNet', depth=50))
    cfg = Config(dict(model=model))
    if key == 'load_from':
        cfg.load_from = checkpoint
    else:
        model['backbone'][key] = checkpoint if key == 'pretrained' else dict(type='Pretrained', checkpoint=checkpoint)
        cfg = Config(dict(model=model))
    assert list(setting_problems(cfg)) == [
        "model.backbone has style='pytorch', but resnet50.detectron2 was trained with style='caffe'. "
        'init_cfg=dict(..., strict=False) loads it anyway.']
    cfg.model.backbone.style = 'caffe'
    assert list(setting_problems(cfg)) == []


def test_an_operator_that_the_checkpoint_had_no_gate_for_is_no_difference():
    plain, gated = (settings(MODELS.build(dict(NARROW, **kwargs))) for kwargs in ({}, se()))
    assert differences(gated, plain, 'x') == differences(plain, gated, 'x') == []


def test_settings_of_a_published_network():
    found = settings_of(find('se_resnet50.cadene').backbone)
    assert found['style'] == found['stem_pool'] == 'caffe'
    assert found['layer1.0.context.standard'] == "squeeze='avg', gate='sigmoid'"


def test_theta_minus_is_known_to_have_been_trained(tmp_path, log):
    gates = dict(context=dict(op=dict(type='GatherExcite', extent=8)))
    for kwargs, warnings in ((gates, 0), ({}, 1)):
        log.clear()
        torch.save(dict(state_dict=Classifier(**kwargs).state_dict()), tmp_path / 'a.pth')
        load_checkpoint(Classifier(**gates), str(tmp_path / 'a.pth'))
        assert sum('without parameters (theta_minus)' in line for _, line in log) == warnings


@pytest.mark.parametrize('metadata', [None, 3, {}, {'backbone': 3}, {'backbone': {'se_backbones': 3}},
                                      {'backbone': {'se_backbones': {'style': 3, 4: 'x'}}}], ids=str)
def test_whatever_a_file_says_it_loads(metadata, tmp_path):
    state = Classifier().state_dict()
    state._metadata = metadata
    torch.save(state, tmp_path / 'a.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'), prefix='backbone.')
    Classifier(init_cfg=init).backbone.init_weights()
