"""Nothing is silently random: what may be missing, what may be left over, and what every other misfit is called."""

import re

import pytest
import torch
from mmengine.registry import MODELS

NARROW = dict(type='se_backbones.ResNet', depth=(2, 2, 2, 2), base_channels=4, input_size=64)
SE = dict(op=dict(type='SqueezeExcite', ratio=2))


@pytest.fixture
def saved(tmp_path):
    """Return a function that saves a network of a config, its tensors changed by ``edit``, and returns the path."""
    def save(edit=lambda state: state, **kwargs):
        state = MODELS.build({**NARROW, **kwargs}).state_dict()
        torch.save(edit(dict(state)) or state, tmp_path / 'weights.pth')
        return str(tmp_path / 'weights.pth')
    return save


def load(path, strict=None, **kwargs):
    init = dict(type='Pretrained', checkpoint=path, **({} if strict is None else dict(strict=strict)))
    net = MODELS.build({**NARROW, 'init_cfg': init, **kwargs})
    net.init_weights()
    file, state = torch.load(path), net.state_dict()
    convs = [key for key in state if re.search(r'conv\d\.weight', key) and key in file]
    assert convs and all(torch.equal(file[key], state[key]) for key in convs)
    return net


def without(*beginnings):
    return lambda state: {key: value for key, value in state.items() if not key.startswith(beginnings)}


def test_one_line_counts_all_backbone_tensors(saved, log):
    path = saved()
    expected = [key for key in MODELS.build(NARROW).state_dict() if 'num_batches_tracked' not in key]
    load(path)
    assert log.count(('INFO', f'{len(expected)} of {len(expected)} tensors of ResNet from {path}')) == 1


@pytest.mark.parametrize('extra', [
    {'fc.weight': torch.zeros(10, 64)}, {'head.fc.bias': torch.zeros(10)}, {'conv1.bias': torch.zeros(4)},
    {'layer5.0.conv1.weight': torch.zeros(1)},
], ids=lambda extra: next(iter(extra)))
def test_classifiers_unused_stages_and_caffe_biases_may_be_left_over(saved, extra):
    load(saved(lambda state: state | extra))


def test_unused_stages_may_be_left_over(saved):
    load(saved(), depth=(2, 2), )


def test_shared_head_takes_its_stage_out_of_a_whole_checkpoint(saved, log):
    path = saved(depth=(2, 2, 2, 3))
    head = MODELS.build(dict(type='se_backbones.ResLayer', depth=(2, 2, 2, 3), base_channels=4,
                             init_cfg=dict(type='Pretrained', checkpoint=path)))
    head.init_weights()
    assert torch.equal(head.layer4[2].bn3.weight, torch.load(path)['layer4.2.bn3.weight'])
    assert any(f'tensors of ResLayer from {path}' in line for _, line in log)


def test_old_checkpoints_without_num_batches_tracked_load(saved):
    load(saved(lambda state: {key: value for key, value in state.items() if 'num_batches_tracked' not in key}))


def test_offsets_of_deformable_convolutions_start_fresh(saved):
    pytest.importorskip('mmcv.ops')  # registers them
    path = saved()
    net = load(path, dcn=dict(type='DCN', deform_groups=1, fallback_on_stride=False),
               stage_with_dcn=(False, False, False, True))
    assert torch.equal(net.layer4[1].conv2.weight, torch.load(path)['layer4.1.conv2.weight'])
    assert not net.layer4[1].conv2.conv_offset.weight.any()


def test_plugin_layers_start_fresh(saved):
    plugins = [dict(cfg=dict(type='ContextBlock', ratio=0.5), position='after_conv3')]
    load(saved(), plugins=plugins)


def test_operators_are_inserted_and_not_missing(saved, log):
    load(saved(), context=SE)
    assert any('inserted 8 operators' in line for _, line in log)


def test_operators_are_inserted_behind_a_stage_that_the_checkpoint_lacks(saved, log):
    load(saved(without('layer1')), strict=False, context=SE)
    assert any('inserted 6 operators' in line for _, line in log)


@pytest.mark.parametrize(('source', 'target', 'words'), [
    (dict(depth=(2, 2, 3, 2)), {}, 'another depth: layer3 has 3 blocks in the checkpoint and 2 here'),
    ({}, dict(depth=(2, 2, 3, 2)), 'another depth: layer3 has 2 blocks in the checkpoint and 3 here'),
    (dict(deep_stem=True), {}, 'the checkpoint has a deep stem and this network deep_stem=False'),
    ({}, dict(deep_stem=True), 'the checkpoint has a plain stem and this network deep_stem=True'),
    (dict(avg_down=True), {}, 'another shortcut: avg_down differs'),
    (dict(base_channels=8), {}, 'another architecture or width'),
    (dict(block='basic'), {}, 'another architecture or width'),
    (dict(groups=2), {}, 'another architecture or width'),
    (dict(context=SE), {}, 'saved with operators that this network does not have'),
    (dict(norm_cfg=dict(type='GN', num_groups=2)), {}, 'norm_cfg'),
])
def test_a_misfit_is_an_error_with_its_likely_cause(saved, source, target, words):
    path = saved(**source)
    with pytest.raises(ValueError, match=f'init_cfg: .*does not fit ResNet.*{words}.*strict=False'):
        load(path, **target)


def test_the_first_missing_names_are_listed(saved):
    path = saved(without('layer2.1.bn2'))
    with pytest.raises(ValueError, match=r'4 of its \d+ tensors are missing \(layer2.1.bn2.weight, layer2.1.bn2.bias, '
                                         r'layer2.1.bn2.running_mean, layer2.1.bn2.running_var\)'):
        load(path)


def test_sizes_that_differ_are_shown(saved):
    for key, theirs, words in (('bn1.bias', torch.tensor(0.), 'a scalar there and 4 here'),
                               ('layer1.0.conv1.weight', torch.zeros(2, 4, 1, 1), '2x4x1x1 there and 4x4x1x1 here')):
        with pytest.raises(ValueError, match=rf'1 have another shape \({key} is {words}\)'):
            load(saved(lambda state, change={key: theirs}: state | change))
    theta = dict(op=dict(type='GatherExcite', variant='theta'))
    with pytest.raises(ValueError, match=r'input_size: layer1.0.context.standard.gather.conv1.weight is a kernel of '
                                         '24x24 here and of 16x16 in the checkpoint'):
        load(saved(context=theta), context=theta, input_size=96)


def test_keys_of_another_library_are_named_as_such(saved):
    def renamed(state):
        return {key.replace('context.standard.excite.down', 'se_module.fc1').replace(
            'context.standard.excite.up', 'se_module.fc2'): value for key, value in state.items()}
    path = saved(renamed, context=SE)
    with pytest.raises(ValueError, match=r'keys are those of another library; se-backbones convert'):
        load(path, context=SE)


def test_mmpretrains_deep_stem_is_named_as_anothers(saved):
    def renamed(state):
        return {re.sub(r'^stem\.([036])\.', lambda found: f'stem.{int(found[1]) // 3}.conv.', key): value
                for key, value in state.items()}
    path = saved(renamed, deep_stem=True)
    with pytest.raises(ValueError, match=r'keys are those of another library; se-backbones convert'):
        load(path, deep_stem=True)


def test_the_opt_out_loads_what_fits_and_warns(saved, log):
    path = saved(without('layer2.1.bn2'))
    net = load(path, strict=False)
    assert torch.equal(net.layer2[1].conv2.weight, torch.load(path)['layer2.1.conv2.weight'])
    assert any(level == 'WARNING' and 'layer2.1.bn2.weight' in line for level, line in log)
    load(saved(lambda state: without('layer2.1.bn2')(state) | {'bn1.bias': torch.zeros(5)}), strict=False)
    count = sum('num_batches_tracked' not in key for key in net.state_dict())
    assert any(f'{count - 5} of {count} tensors of ResNet from' in line for _, line in log)


def test_a_plain_load_state_dict_keeps_torchs_rules(saved):
    state = without('layer2')(torch.load(saved()))
    keys = MODELS.build(NARROW).load_state_dict(state, strict=False)
    assert 'layer2.0.conv1.weight' in keys.missing_keys


def test_a_detector_reports_heads_that_it_draws_at_random(saved, log, tmp_path):
    from mmengine.model import BaseModule
    from torch import nn

    class Detector(BaseModule):
        def __init__(self, path):
            super().__init__(dict(type='se_backbones.Pretrained', checkpoint=path))
            self.backbone = MODELS.build(NARROW)
            self.head = nn.Conv2d(4, 4, 1)
    path = saved(lambda state: {f'backbone.{key}': value for key, value in state.items()})
    Detector(path).init_weights()
    assert ('WARNING', f'Missing in {path}, so random: head.weight, head.bias') in log
    path = saved(lambda state: {f'backbone.{key}': value for key, value in state.items() if 'layer3' not in key})
    with pytest.raises(ValueError, match=r'does not fit ResNet \(backbone\).*layer3.0.*nothing of layer3'):
        Detector(path).init_weights()
