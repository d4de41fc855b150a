"""The GE paper's experiments: recipes as section 3 and the prototxts say, and small runs of every kind.

Rows, READMEs and headers of both folders are tested in test_senet.py.
"""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

import se_backbones
from helpers import kernels_that_stay
from se_backbones.models.operators import GatherExcite

EXTENTS = [*((variant, extent) for variant in ('theta_minus', 'theta') for extent in (2, 4, 8, 'global')),
           ('theta_plus', 'global')]
NARROW = {'model.backbone.depth': (1, 1, 1, 1), 'model.backbone.base_channels': 4, 'model.head.in_channels': 128}


def file_of(variant, extent):
    size = '' if extent == 'global' else f'-e{extent}'
    return f'genet/imagenet/ge-{variant.replace("_", "-")}{size}-resnet50_8xb32_in1k.py'


def build(cfg):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize(('variant', 'extent'), EXTENTS)
def test_figure_2_has_a_file_for_each_variant_and_extent(config, variant, extent):
    model = build(config(file_of(variant, extent), NARROW))
    operators = [module for module in model.modules() if isinstance(module, GatherExcite)]
    assert {(each.variant, each.extent) for each in operators} == {(variant, extent)} and len(operators) == 4


def test_the_prototxts_multipliers_reach_the_optimizer(config):
    """No decay on norms and biases, biases at twice the rate; gathers' convolutions decay as all convolutions."""
    cfg = config(file_of('theta_plus', 'global'), NARROW)
    model = build(cfg)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    found = {names[id(parameter)]: (group['lr'], group['weight_decay']) for group in groups
             for parameter in group['params']}
    assert found.keys() == set(names.values())
    norms = {name for module_name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)
             for name in (f'{module_name}.weight', f'{module_name}.bias')}
    for name, value in found.items():
        if name in norms:
            assert value == (0.1, 0.0), name
        elif name.endswith('.bias'):
            assert value == (0.2, 0.0), name
        else:
            assert value == (0.1, 1e-4), name
    assert 'backbone.layer1.0.context.standard.gather.bn1.weight' in norms
    assert found['backbone.layer1.0.context.standard.gather.conv1.weight'] == (0.1, 1e-4)


def test_running_statistics_decay_by_0_95_in_gathers_too(config):
    model = build(config(file_of('theta', 8), NARROW))
    momenta = {name: module.momentum for name, module in model.named_modules()
               if isinstance(module, torch.nn.BatchNorm2d)}
    assert set(momenta.values()) == {0.05} and any('gather' in name for name in momenta)


@pytest.mark.parametrize(('variant', 'extent'), [('theta_plus', 'global'), ('theta', 8), ('theta_minus', 4)])
def test_imagenet_networks_train(config, runner, imagenet, variant, extent):
    roots = {f'{loop}_dataloader.dataset.data_root': str(imagenet) for loop in ('train', 'val', 'test')}
    run = runner(config(file_of(variant, extent), {**NARROW, **roots, 'train_cfg.max_epochs': 1}))
    kernels = [name for name, p in run.model.named_parameters() if p.ndim == 4]
    assert any('context' in name for name in kernels) == (variant != 'theta_minus')
    assert kernels_that_stay(run) == []
    assert run.message_hub.get_scalar('val/validation/loss').current() > 0


def test_shufflenet_trains(config, runner, imagenet):
    roots = {f'{loop}_dataloader.dataset.data_root': str(imagenet) for loop in ('train', 'val', 'test')}
    run = runner(config('genet/imagenet/ge-theta-e8-shufflenet-v1_8xb32_in1k.py', {
        **roots, 'model.backbone.depth': (1, 1, 1), 'model.backbone.widen_factor': 0.5, 'model.head.in_channels': 480,
        'train_cfg.max_epochs': 1}))
    assert kernels_that_stay(run) == []


def test_cifar_networks_train_with_kernels_of_their_maps(config, runner, cifar):
    root = {f'{loop}_dataloader.dataset.data_root': str(cifar / 'cifar10') for loop in ('train', 'val', 'test')}
    run = runner(config('genet/cifar/ge-theta-plus-preresnet110_1xb128_cifar10.py', {
        **root, 'model.backbone.depth': (1, 1, 1), 'model.backbone.block': 'basic', 'model.backbone.base_channels': 4,
        'model.head.in_channels': 16, 'train_cfg.max_epochs': 1}))
    assert kernels_that_stay(run) == []
    assert [module.gather.conv1.kernel_size for module in run.model.modules() if isinstance(module, GatherExcite)] == [
        (32, 32), (16, 16), (8, 8)]


C4 = {'model.backbone.depth': (1, 1, 1, 1), 'model.backbone.base_channels': 4,
      'model.roi_head.shared_head.depth': (1, 1, 1, 1), 'model.roi_head.shared_head.base_channels': 4,
      'model.rpn_head.in_channels': 64, 'model.rpn_head.feat_channels': 16,
      'model.roi_head.bbox_roi_extractor.out_channels': 64, 'model.roi_head.bbox_head.in_channels': 128,
      'model.train_cfg.rpn_proposal.max_per_img': 32, 'model.test_cfg.rpn.max_per_img': 32,
      'model.train_cfg.rcnn.sampler.num': 32,
      # Without a floor under the scores an untrained network finds something to evaluate.
      'model.test_cfg.rcnn.score_thr': 0.0}


def test_the_detector_starts_from_its_run_on_imagenet_and_trains(config, runner, coco, tmp_path):
    model = build(config(file_of('theta', 8), NARROW))
    for layer in (model.backbone.layer2, model.backbone.layer4):
        torch.nn.init.uniform_(layer[0].context['standard'].gather.conv3.weight)
    checkpoint = tmp_path / 'epoch_300.pth'
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    scale = (96, 96)
    cfg = config('genet/coco/faster-rcnn_ge-theta-e8-resnet50_c4_8xb1-320k_coco2014.py', {
        **C4, 'model.backbone.init_cfg.checkpoint': str(checkpoint),
        'model.roi_head.shared_head.init_cfg.checkpoint': str(checkpoint),
        'train_cfg.max_iters': 3, 'train_cfg.val_interval': 3, 'param_scheduler.milestones': [2],
        'default_hooks.checkpoint.interval': 3,
        **{f'{loop}_dataloader.dataset.data_root': f'{coco}/' for loop in ('train', 'val', 'test')},
        **{f'{kind}_evaluator.ann_file': f'{coco}/annotations/instances_val2014.json' for kind in ('val', 'test')}})
    cfg.train_dataloader.dataset.pipeline[2].scale = scale
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.pipeline[1].scale = scale
    run = runner(cfg)
    run.model.init_weights()
    head = run.model.roi_head.shared_head
    for found, source in ((run.model.backbone.layer2, model.backbone.layer2), (head.layer4, model.backbone.layer4)):
        assert torch.equal(found[0].context['standard'].gather.conv3.weight,
                           source[0].context['standard'].gather.conv3.weight)
    run.train()
    # Biases learn at twice the rate.
    assert run.iter == 3 and {round(lr, 9) for lr in run.optim_wrapper.get_lr()['lr']} == {1e-4, 2e-4}
    assert len(run.train_dataloader.dataset) == 6 and len(run.val_dataloader.dataset) == 8
    assert (tmp_path / 'work' / 'iter_3.pth').exists()
    # Frozen norms include those of the gathers; their convolutions learn, but not in the frozen first stage.
    gather = head.layer4[0].context['standard'].gather
    assert gather.conv1.weight.requires_grad and not gather.bn1.weight.requires_grad
    assert not run.model.backbone.layer1[0].context['standard'].gather.conv1.weight.requires_grad


def test_the_detector_and_its_baseline_differ_in_operators_weights_and_the_hook_for_their_norms_alone():
    def flat(node, key=''):
        if isinstance(node, dict):
            for name, value in node.items():
                yield from flat(value, f'{key}.{name}')
        else:
            yield key, node

    folder = se_backbones.config_path('genet/coco')
    names = ('resnet50', 'ge-theta-e8-resnet50')
    plain, gated = ({(key, str(value)) for key, value in flat(
        Config.fromfile(f'{folder}/faster-rcnn_{name}_c4_8xb1-320k_coco2014.py').to_dict())} for name in names)
    changed = {key for key, _ in plain ^ gated}
    assert changed and all(re.search(r'context|checkpoint|custom_hooks', key) for key in changed)
