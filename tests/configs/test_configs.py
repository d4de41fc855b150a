"""Every shipped config loads and builds, and a leaf changes only what its name says."""

import re
from pathlib import Path

import facts
import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

import se_backbones
from se_backbones.engine.checks import network
from se_backbones.engine.checks.config_tree import LOOPS
from se_backbones.engine.preflight import check_settings
from se_backbones.models.operators import GatherExcite, SqueezeExcite
from se_backbones.pretrained.requirements import preprocessing_warnings, setting_problems

CONFIGS = Path(se_backbones.config_path())
LEAVES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
OPERATORS = {'se': SqueezeExcite, 'senet154': SqueezeExcite, 'ge': GatherExcite}


# Wrong recipes, one value each; test_one_changed_value_is_noticed.
PLANTED = {
    'senet/imagenet/se-resnet50_32xb32_in1k.py': {
        'model.backbone.context.op.ratio': 8,
        'model.backbone.context.op': {'_delete_': True, 'type': 'GatherExcite'},
        'model.backbone.context.placement': 'pre',
        'model.backbone.context.stages': (True, True, True, False),
        'model.backbone.style': 'pytorch',
        'model.backbone.stem_pool': 'torch',
        'model.backbone.depth': 101,
        'model.backbone.init_cfg.0.mode': 'fan_out',
        'model.head.loss': {'_delete_': True, 'type': 'LabelSmoothLoss', 'label_smooth_val': 0.1},
        'load_from': 'another.pth',
        'data_preprocessor.mean': [103.53, 116.28, 123.675],
        'data_preprocessor.to_rgb': True,
        'optim_wrapper.optimizer.lr': 0.4,
        'optim_wrapper.optimizer.momentum': 0.8,
        'optim_wrapper.optimizer.nesterov': True,
        'optim_wrapper.optimizer.weight_decay': 5e-4,
        'optim_wrapper.paramwise_cfg.norm_decay_mult': 0.0,
        'optim_wrapper.accumulative_counts': 2,
        'param_scheduler.milestones': [30, 60, 80],
        'param_scheduler.gamma': 0.2,
        'train_cfg.max_epochs': 90,
        'train_dataloader.batch_size': 64,
        'auto_scale_lr.base_batch_size': 512,
        'train_dataloader.dataset.split': 'val',
        'train_dataloader.dataset.pipeline.1.scale': 192,
        'train_dataloader.dataset.pipeline.2.prob': 0.0,
        'val_dataloader.dataset.pipeline.1.scale': 232,
        'test_dataloader.dataset.pipeline.1.scale': 232,
        'test_dataloader.dataset.pipeline.2.crop_size': 192,
    },
    'genet/coco/faster-rcnn_ge-theta-e8-resnet50_c4_8xb1-320k_coco2014.py': {
        'model.roi_head.shared_head.context': None,
        'model.roi_head.shared_head.context.op.extent': 4,
        'model.backbone.context.op.extent': 4,
        'model.backbone.context.op.variant': 'theta_plus',
        'model.backbone.context.freeze_with_stage': False,
        'model.backbone.init_cfg.checkpoint': 'another.pth',
        'model.backbone.frozen_stages': 0,
        'model.backbone.norm_eval': False,
        'model.backbone.norm_cfg.requires_grad': True,
        'model.rpn_head.anchor_generator.scales': [2, 4, 8, 16, 32],
        'model.rpn_head.loss_bbox': {'_delete_': True, 'type': 'L1Loss'},
        'model.train_cfg.rcnn.sampler.num': 512,
        'model.test_cfg.rpn.max_per_img': 1000,
        'optim_wrapper.paramwise_cfg.bias_lr_mult': 1.0,
        'param_scheduler.milestones': [200000],
        'train_cfg.max_iters': 300000,
        'train_dataloader.dataset.pipeline.2.scale': (1333, 800),
    },
    'faster_rcnn_ge_r50.py': {
        'model.backbone.context.stages': (True, True, True, True),
        'model.backbone.init_cfg.checkpoint': 'torchvision://resnet101',
        'optim_wrapper.optimizer.lr': 0.01,
    },
}


def load(name):
    return Config.fromfile(CONFIGS / name)


def token(name):
    """Return 'se' or 'ge' if the config's name says it has these operators."""
    found = [word for word in re.split(r'[_\-.]', Path(name).stem) if word in OPERATORS]
    return found[0] if found else None


def flat(node, key=''):
    if isinstance(node, dict):
        for name, value in node.items():
            yield from flat(value, f'{key}.{name}' if key else name)
    else:
        yield key, node


def differences(leaf, base):
    a, b = dict(flat(leaf.to_dict())), dict(flat(base.to_dict()))
    missing = object()
    return {key for key in a.keys() | b.keys() if a.get(key, missing) != b.get(key, missing)}


def direct_base(name):
    """Return the one base that a leaf names, or None where it composes several."""
    base = re.search(r"^_base_ = '([^']+)'", (CONFIGS / name).read_text(), re.M)
    return base and base[1]


def load_base(name, folder):
    base = direct_base(name)
    if '::' not in base:
        return Config.fromfile((CONFIGS / name).parent / base)
    # Through a file that does nothing but inherit, so that mmengine stamps the same scopes on it.
    (folder / 'inherits.py').write_text(f'_base_ = {base!r}\n')
    return Config.fromfile(folder / 'inherits.py')


def wraps(cfg):
    """Return whether operators are put into a backbone that is not ours."""
    return cfg.model.backbone.type == 'se_backbones.WithContext'


def test_there_are_configs():
    assert 'faster_rcnn_ge_r50.py' in LEAVES


@pytest.mark.parametrize('name', LEAVES)
def test_config_passes_the_preflight_and_is_what_its_name_and_its_row_say(name):
    cfg = load(name)
    model = network.built(cfg)
    check_settings(cfg, LOOPS, model)
    assert name in facts.rows(), (f'tests/configs/facts.toml has no row for {name}. Write one, each value from the '
                                  f'sentence that it follows; the config has {facts.facts(cfg.to_dict(), model)}')
    assert facts.differences(name, cfg.to_dict(), model) == []
    kinds = {type(module) for module in model.modules() if isinstance(module, tuple(OPERATORS.values()))}
    assert kinds == ({OPERATORS[token(name)]} if token(name) else set())


@pytest.mark.parametrize('name', list(filter(direct_base, LEAVES)))
def test_leaf_differs_from_its_base_only_in_type_and_context(name, tmp_path):
    allowed = re.compile(r'model\.(backbone|roi_head\.shared_head)\.(type|context\..*|context)$|op\..*|custom_hooks$|'
                         r'optim_wrapper\.paramwise_cfg\.custom_keys\.\.context\.')
    if token(name) is None:
        allowed = re.compile(r'model\.(backbone|roi_head\.shared_head)\.type$')
    if name.startswith('pretrained/'):
        # The backbone and its images are those of the weights.
        allowed = re.compile(r'model\.((backbone|neck)(\.|$)|data_preprocessor\.(mean|std)$)|op\.|'
                             r'(load_from|custom_hooks)$')
    if name.startswith('fashion_mnist/preresnet') and token(name) is None:
        # Plain networks of other sizes, which operators are compared with.
        allowed = re.compile(r'model\.backbone\.(depth|stem_channels)$')
    cfg, base = load(name), load_base(name, tmp_path)
    if wraps(cfg):
        assert cfg.model.backbone.keys() == {'type', 'backbone', 'context'}
        cfg.model.backbone = {**cfg.model.backbone.backbone, 'type': f'{cfg.model.backbone.backbone.type} wrapped'}
        allowed = re.compile(r'model\.backbone\.type$|load_from$')
    changed = differences(cfg, base)
    assert changed and all(allowed.match(key) for key in changed), changed


@pytest.mark.parametrize('name', [name for name in LEAVES if token(name)
                                  and name.replace(f'_{token(name)}_', '_') in LEAVES])
def test_leaf_differs_from_its_plain_counterpart_only_in_context(name):
    plain = load(name.replace(f'_{token(name)}_', '_'))
    # Gathers with norms bring the hook that keeps their statistics equal on all ranks.
    assert all('context' in key or key.startswith('op.') or key == 'custom_hooks'
               for key in differences(load(name), plain))


def test_detectors_and_segmentors_keep_the_statistics_of_gather_norms_equal_on_all_ranks():
    learned = []
    for name in LEAVES:
        cfg = load(name)
        # Classifiers have large batches.
        trained_in_one_process = name.startswith(('digits/', 'trees/'))
        if token(name) != 'ge' or cfg.default_scope == 'mmpretrain' or trained_in_one_process or wraps(cfg):
            continue
        variant = re.search("'variant': '(theta|theta_plus)'", str(cfg.model))
        has_norms = bool(variant) and "'freeze_with_stage': True" not in str(cfg.model)
        assert has_norms == (dict(type='SyncBuffersHook') in cfg.get('custom_hooks', [])), name
        learned += [name] * has_norms
    assert len(learned) >= 10


def test_new_gates_learn_at_the_full_rate_in_a_backbone_that_does_not():
    cfg = load('examples/dino_se_r50.py')
    model = network.built(cfg)
    rates = {id(group['params'][0]): group['lr'] for group in
             build_optim_wrapper(model, cfg.optim_wrapper).param_groups}
    rates = {name: rates[id(parameter)] for name, parameter in model.named_parameters() if id(parameter) in rates}
    assert {rate for name, rate in rates.items() if '.context.' in name} == {1e-4}
    assert {rate for name, rate in rates.items() if name.startswith('backbone.') and '.context.' not in name} == {1e-5}


def test_each_row_is_a_config_and_each_named_value_has_a_source_and_is_used():
    assert set(facts.rows()) == set(LEAVES)
    used = {(part, row[part]) for row in facts.rows().values() for part in (*facts.PARTS, 'weights')
            if isinstance(row.get(part), str)}
    named = {(part, name): entry for part in (*facts.PARTS, 'weights') for name, entry in facts.TABLE[part].items()}
    bases = {(part, entry['like']) for (part, _), entry in named.items() if 'like' in entry}
    assert set(named) - bases - used == set()
    assert all(entry['source'] for entry in (*named.values(), *facts.TABLE['group']))


@pytest.mark.parametrize(('name', 'key', 'value'), [
    (name, key, value) for name, changes in PLANTED.items() for key, value in changes.items()])
def test_one_changed_value_is_noticed(name, key, value):
    cfg = load(name)
    cfg.merge_from_dict({key: value})
    assert facts.differences(name, cfg.to_dict(), network.built(cfg))


def test_config_path_names_the_nearest_configs():
    with pytest.raises(FileNotFoundError, match=r'Did you mean .*faster_rcnn_ge_r50.py'):
        se_backbones.config_path('faster_rcnn_ge_r5.py')


def test_config_path_finds_the_configs_of_other_packages(monkeypatch):
    import mmdet
    found = se_backbones.config_path('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py')
    assert Path(found).is_file() and Path(found).is_relative_to(Path(mmdet.__file__).parent)
    with pytest.raises(FileNotFoundError, match=r'mmdet ships no config .*Did you mean .*retinanet_r50_fpn_1x_coco.py'):
        se_backbones.config_path('mmdet::retinanet/retinanet_r50_fpn_1x_koko.py')
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r'needs mmseg, .*mmseg comes with the extra \[seg\]'):
        se_backbones.config_path('mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py')


def test_a_config_of_ours_is_inherited_from_anywhere(tmp_path):
    """Through `config_path`, which needs no allow-list of mmengine's and no import order."""
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = __import__('se_backbones').config_path('faster_rcnn_ge_r50.py')\n"
                    "model = dict(backbone=dict(context=dict(op=dict(extent=4))))\n")
    backbone = Config.fromfile(path).model.backbone
    ours = Config.fromfile(se_backbones.config_path('faster_rcnn_ge_r50.py')).model.backbone.context.op
    assert ours.type == 'GatherExcite' and ours.extent != 4
    assert backbone.context.op == {**ours, 'extent': 4}


@pytest.mark.parametrize('name', [name for name in LEAVES if name.startswith('pretrained/')])
def test_configs_with_weights_have_the_settings_and_images_of_these(name):
    cfg = load(name)
    assert list(setting_problems(cfg)) + list(preprocessing_warnings(cfg)) == []
