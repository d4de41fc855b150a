"""The SE paper's experiments: one file for each row, recipes as section 5 and 6 say, and small runs of every kind."""

import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, PARAM_SCHEDULERS, TRANSFORMS, DefaultScope

import se_backbones
from helpers import kernels_that_stay
from se_backbones.lab.analysis.paper_tables import ROWS
from se_backbones.lab.analysis.result_tables import END, START, read_tables, to_markdown

CONFIGS = Path(se_backbones.config_path())
FOLDERS = ('senet', 'genet')
RESULTS = [(folder, table.name, result) for folder in FOLDERS for table in read_tables(CONFIGS / folder)
           for result in table.rows]
FILES = {folder: sorted((CONFIGS / folder).rglob('*.py')) for folder in FOLDERS}
NARROW = {'model.backbone.depth': (1, 1, 1, 1), 'model.backbone.base_channels': 4, 'model.head.in_channels': 128}


def docstring(path):
    return re.match(r'"""(.*?)"""', path.read_text(), re.S)[1]


def flat(node, key=''):
    if isinstance(node, dict):
        for name, value in node.items():
            yield from flat(value, f'{key}.{name}' if key else name)
    else:
        yield key, node


@cache
def loaded(path):
    return Config.fromfile(path)


def changes(a, b):
    a, b = (dict(flat(loaded(path).to_dict())) for path in (a, b))
    missing = object()
    return {key for key in a.keys() | b.keys() if a.get(key, missing) != b.get(key, missing)}


def data_root(root):
    return {f'{loop}_dataloader.dataset.data_root': str(root) for loop in ('train', 'val', 'test')}


def rates(cfg, iterations_per_epoch):
    """Return the learning rate of each epoch's last iteration, by the config's own schedulers."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=cfg.optim_wrapper.optimizer.lr)
    schedulers = build_schedulers(cfg, optimizer, iterations_per_epoch)
    found = []
    for _ in range(cfg.train_cfg.max_epochs):
        for iteration in range(iterations_per_epoch):
            if iteration == iterations_per_epoch - 1:
                found.append(optimizer.param_groups[0]['lr'])
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch:
                scheduler.step()
    return found


def build_schedulers(cfg, optimizer, iterations_per_epoch):
    cfgs = cfg.param_scheduler if isinstance(cfg.param_scheduler, list) else [cfg.param_scheduler]
    return [PARAM_SCHEDULERS.build(dict(each), default_args=dict(
        optimizer=optimizer, **({'epoch_length': iterations_per_epoch} if each.get('convert_to_iter_based') else {})))
        for each in cfgs]


# Rows, files, headers

@pytest.mark.parametrize('folder', FOLDERS)
def test_every_file_is_a_row_and_every_row_a_file(folder):
    named = {(CONFIGS / of / result.config).resolve() for of, _, result in RESULTS}
    assert all(path.is_file() for path in named)
    assert set(FILES[folder]) <= named and len(FILES[folder]) > 40


@pytest.mark.parametrize('folder', FOLDERS)
def test_the_readme_holds_the_tables_of_results_toml(folder):
    text = (CONFIGS / folder / 'README.md').read_text()
    assert text.split(START)[1].split(END)[0].strip() == to_markdown(read_tables(CONFIGS / folder)).strip()


@pytest.mark.parametrize('folder', FOLDERS)
def test_links_of_the_readme_lead_somewhere(folder):
    text = (CONFIGS / folder / 'README.md').read_text()
    links = [link for link in re.findall(r'\]\(([^)]+)\)', text) if '://' not in link]
    assert len(links) > 40 and all((CONFIGS / folder / link).exists() for link in links)


def test_every_header_names_its_rows_and_their_numbers():
    for folder, table, result in RESULTS:
        text = docstring(CONFIGS / folder / result.config)
        number = f': {result.paper}.' if result.paper else ' (no number is printed).'
        assert f'{table}, row "{result.row}"{number}' in text, result.config


def test_every_header_has_its_own_command_and_a_cost():
    for path in FILES['senet'] + FILES['genet']:
        text = docstring(path)
        assert f' configs/{path.relative_to(CONFIGS)}' in text and '\nCost: ' in text, path


def test_a_config_has_the_same_number_wherever_a_paper_prints_it():
    """A run of the plain or full network appears in several ablation tables."""
    numbers = {}
    for folder, table, result in RESULTS:
        numbers.setdefault((table[:2], (CONFIGS / folder / result.config).resolve()), set()).add(result.paper)
    assert [path for path, found in numbers.items() if len(found) > 1] == []


def test_no_two_files_share_a_work_dir():
    names = [path.name for paths in FILES.values() for path in paths]
    assert len(names) == len(set(names))


def test_the_networks_are_those_of_the_complexity_tables():
    """Independently written: parameters and FLOPs of these networks are compared with the papers' cells."""
    operators = {'SqueezeExcite': dict(ratio=16, squeeze='avg', gate='sigmoid', bias=True),
                 'GatherExcite': dict(variant='theta_minus', extent='global')}

    def essence(network):
        training = ('zero_init_residual', 'norm_cfg', 'init_cfg')
        network = {key: value for key, value in dict(network).items() if key not in training}
        if network.get('context') is not None:
            op = dict(network['context']['op'])
            network['context'] = {**network['context'], 'op': {**operators[op['type']], **op}}
        return network

    counted = {(row.table, row.name): row.network for row in ROWS}
    compared = 0
    for folder, table, result in RESULTS:
        if (table, result.row) in counted:
            found = loaded((CONFIGS / folder / result.config).resolve()).to_dict()['model']['backbone']
            assert essence(found) == essence(counted[table, result.row]), result.config
            compared += 1
    assert compared == len(counted)


@pytest.mark.parametrize('path', [path for path in FILES['senet'] if path.name.startswith('se-')
                                  and (path.parent / path.name[3:]).exists()], ids=lambda path: path.stem)
def test_an_se_network_differs_from_its_plain_one_in_context_alone(path):
    changed = changes(path, path.parent / path.name[3:])
    assert changed and all(key.startswith('model.backbone.context') for key in changed)


@pytest.mark.parametrize('path', [path for path in FILES['senet'] if path.parent.name == 'ablation'
                                  and re.match(r'se-resnet50-.*plateau', path.name)], ids=lambda path: path.stem)
def test_an_ablation_changes_one_key(path):
    assert len(changes(path, path.parent / 'se-resnet50_8xb32-plateau_in1k.py')) == 1


# Recipes

def test_section_5_divides_by_ten_every_thirty_epochs(config):
    cfg = config('senet/imagenet/se-resnet50_32xb32_in1k.py')
    found = rates(cfg, 1)
    assert len(found) == 100
    assert [found[epoch] for epoch in (0, 29, 30, 59, 60, 89, 90, 99)] == pytest.approx(
        [0.6, 0.6, 0.06, 0.06, 0.006, 0.006, 6e-4, 6e-4])
    assert cfg.auto_scale_lr.base_batch_size == 32 * cfg.train_dataloader.batch_size == 1024


def test_the_footnotes_schedule_drops_at_125_200_and_250(config):
    found = rates(config('senet/ablation/resnet50_8xb32-270e_in1k.py'), 1)
    assert [round(math.log10(found[epoch])) for epoch in (0, 124, 125, 199, 200, 249, 250, 269)] == [
        -1, -1, -2, -2, -3, -3, -4, -4]
    assert len(found) == 270


@pytest.mark.parametrize('name', ['ablation/se-resnet50_8xb32-plateau_in1k.py',
                                  'imagenet/se-mobilenet-v1_8xb32-400e_in1k.py'])
def test_the_plateau_schedule_drops_three_times_and_never_again(config, name):
    cfg = config(f'senet/{name}')
    # Two groups, as the biases at twice the rate of the GE paper's networks.
    start = cfg.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in (start, 2 * start)])
    scheduler, = build_schedulers(cfg, optimizer, 1)
    patience, seen = cfg.param_scheduler.patience, []
    for epoch in range(cfg.train_cfg.max_epochs):
        scheduler.step()
        # The loss falls for 30 epochs, then never again.
        scheduler.step({'validation/loss': max(7.0 - 0.1 * epoch, 4.0)})
        seen.append([group['lr'] for group in optimizer.param_groups])
    for rates_of_group in zip(*seen):
        drops = [epoch for epoch in range(1, len(seen)) if rates_of_group[epoch] < rates_of_group[epoch - 1]]
        assert drops == [30 + (patience + 1) * drop for drop in (1, 2, 3)]
    assert seen[-1] == pytest.approx([1e-4, 2e-4])


def test_preactivation_networks_warm_up_and_drop_at_32k_and_48k(config):
    cfg = config('senet/cifar/preresnet110_1xb128_cifar10.py')
    iterations = math.ceil(50000 / cfg.train_dataloader.batch_size)
    found = rates(cfg, iterations)
    assert iterations * len(found) == pytest.approx(64000, rel=3e-3)
    assert found[0] == pytest.approx(0.01) and found[1] == pytest.approx(0.1)
    assert [found[32000 // iterations - 1], found[32000 // iterations]] == pytest.approx([0.1, 0.01])
    assert [found[48000 // iterations - 1], found[48000 // iterations]] == pytest.approx([0.01, 0.001])


def test_wide_networks_multiply_by_a_fifth(config):
    found = rates(config('senet/cifar/wrn16-8_1xb128_cifar100.py'), 1)
    assert [found[epoch] for epoch in (59, 60, 120, 160, 199)] == pytest.approx([0.1, 0.02, 0.004, 8e-4, 8e-4])


@pytest.mark.parametrize(('name', 'start', 'batch'), [('shake-shake26-2x96d_2xb64_cifar10', 0.2, 128),
                                                      ('shake-even29-2x4x64d_2xb16_cifar100', 0.025, 32)])
def test_shake_networks_follow_half_a_cosine_over_all_epochs(config, name, start, batch):
    cfg = config(f'senet/cifar/{name}.py')
    found = rates(cfg, 3)
    epochs = np.arange(1, 1801)
    np.testing.assert_allclose(found, start * 0.5 * (1 + np.cos(np.pi * (epochs - 1 / 3) / 1800)), atol=1e-9)
    assert 2 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == batch


def test_the_other_shorter_side_for_320_pixels_is_one_option(config):
    for name in ('senet154-frozen-bn-test-320_64xb32_in1k', 'senet154_64xb32-320_in1k'):
        assert 'test_dataloader.dataset.pipeline.1.scale=320' in docstring(CONFIGS / f'senet/senet154/{name}.py')
        cfg = config(f'senet/senet154/{name}.py', {'test_dataloader.dataset.pipeline.1.scale': 320})
        resize, crop = cfg.test_dataloader.dataset.pipeline[1:3]
        assert (resize.type, resize.scale, crop.crop_size) == ('ResizeEdge', 320, 320)


@pytest.mark.parametrize(('name', 'layer', 'fan'), [
    # [66] of the SE paper, eq. 10, for all but the networks that were written in Torch
    ('senet/imagenet/se-resnet50_32xb32_in1k', 'layer3.0.conv1', 0),
    ('senet/cifar/preresnet164_1xb128_cifar10', 'layer3.0.conv1', 0),
    ('genet/imagenet/ge-theta-resnet50_8xb32_in1k', 'layer3.0.conv1', 0),
    ('senet/cifar/wrn16-8_1xb128_cifar10', 'layer1.0.conv1', 1)])
def test_convolutions_are_drawn_as_the_cited_papers_and_codes_do(config, name, layer, fan):
    backbone = MODELS.build(config(f'{name}.py', {'model.backbone.depth': (1, 1, 1)}).model.backbone)
    backbone.init_weights()
    weight = backbone.get_submodule(layer).weight
    fans = torch.nn.init._calculate_fan_in_and_fan_out(weight)
    assert max(fans) >= 2 * min(fans)
    assert weight.std().item() == pytest.approx(math.sqrt(2 / fans[fan]), rel=0.1)


def test_places365_tests_the_centre_of_images_of_256_by_256(config):
    pipeline = config('senet/places365/resnet152_32xb32_places365.py').test_dataloader.dataset.pipeline
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        steps = [TRANSFORMS.build(dict(step)) for step in pipeline[1:-1]]
    results = dict(img=np.zeros((300, 500, 3), np.uint8), img_shape=(300, 500))
    results = steps[0](results)
    assert results['img'].shape == (256, 256, 3)
    assert steps[1](results)['img'].shape == (224, 224, 3)


def test_rotation_of_the_released_networks_is_uniform_within_ten_degrees(config, monkeypatch):
    import mmcv
    rotate = next(step for step in config('senet/senet154/senet154_64xb32_in1k.py').train_dataloader.dataset.pipeline
                  if step['type'] == 'Rotate')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        transform = TRANSFORMS.build(dict(rotate))
    angles = []
    monkeypatch.setattr(mmcv, 'imrotate', lambda img, angle, **_: angles.append(angle) or img)
    np.random.seed(0)
    for _ in range(2000):
        transform(dict(img=np.zeros((4, 4, 3), np.uint8)))
    assert len(angles) == 2000
    histogram, _ = np.histogram(angles, bins=10, range=(-10, 10))
    assert histogram.sum() == 2000 and 140 < histogram.min() and histogram.max() < 260


@pytest.mark.parametrize(('name', 'size'), [('shake-shake26-2x96d_2xb64_cifar10', 16),
                                            ('shake-even29-2x4x64d_2xb16_cifar100', 8)])
def test_cutout_always_fills_a_square_with_the_mean(config, name, size):
    cfg = config(f'senet/cifar/{name}.py')
    step = next(step for step in cfg.train_dataloader.dataset.pipeline if step['type'] == 'Cutout')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        transform = TRANSFORMS.build(dict(step))
    np.random.seed(0)
    areas = []
    for _ in range(50):
        image = transform(dict(img=np.full((32, 32, 3), 255, np.uint8)))['img']
        cut = image[(image != 255).all(-1)]
        areas.append(len(cut))
        assert np.abs(cut - np.array(cfg.data_preprocessor.mean)).max() < 0.5
    assert max(areas) == size**2 and min(areas) > 0


# Runs

def test_section_5_trains_and_validates_on_bgr_images(config, runner, imagenet):
    run = runner(config('senet/imagenet/se-resnet50_32xb32_in1k.py', {
        **NARROW, **data_root(imagenet), 'train_cfg.max_epochs': 2, 'param_scheduler.milestones': [1],
        'optim_wrapper.accumulative_counts': 2}))
    before = {name: p.detach().clone() for name, p in run.model.named_parameters() if '.context.' in name}
    run.train()
    assert run.optim_wrapper.get_lr()['lr'] == pytest.approx([0.06])
    moved = [name for name, p in run.model.named_parameters() if name in before and not torch.equal(p, before[name])]
    assert moved and any('context.standard.excite.up' in name for name in moved)
    pixels = run.train_dataloader.dataset[0]['inputs']
    assert pixels.shape == (3, 224, 224) and pixels.dtype == torch.uint8
    normalised = run.model.data_preprocessor(dict(inputs=[torch.zeros_like(pixels)]))['inputs']
    assert normalised[0, :, 0, 0].tolist() == [-104, -117, -123]  # BGR


def test_ablations_train_and_drop_on_the_validation_loss(config, runner, imagenet):
    run = runner(config('senet/ablation/se-resnet50-pre_8xb32-plateau_in1k.py', {
        **NARROW, **data_root(imagenet), 'train_cfg.max_epochs': 2, 'param_scheduler.patience': 0,
        # No loss is below this margin: the second epoch counts as a plateau.
        'param_scheduler.threshold': 1.0}))
    run.train()
    assert run.optim_wrapper.get_lr()['lr'] == pytest.approx([0.01])
    assert math.isfinite(run.message_hub.get_scalar('val/validation/loss').current())


def test_senet_154_resumes_with_frozen_norms(config, runner, imagenet, tmp_path):
    narrow = {**NARROW, **data_root(imagenet), 'model.backbone.groups': 4, 'train_cfg.max_epochs': 1,
              'default_hooks.checkpoint.interval': 1}
    runner(config('senet/senet154/senet154_64xb32_in1k.py', narrow)).train()
    cfg = config('senet/senet154/senet154-frozen-bn_64xb32_in1k.py', {**narrow, 'train_cfg.max_epochs': 2})
    cfg.resume, cfg.load_from = True, str(tmp_path / 'work' / 'epoch_1.pth')
    run = runner(cfg)
    run.train()
    start = torch.load(tmp_path / 'work' / 'epoch_1.pth', weights_only=False)['state_dict']
    end = run.model.state_dict()
    norms = {name for name in start if re.search(r'(bn\d|stem\.[147]|downsample\.1)\.', name)}
    assert run.epoch == 2 and len(norms) > 40
    assert [name for name in norms if not torch.equal(start[name], end[name])] == []
    assert not torch.equal(start['backbone.layer1.0.conv2.weight'], end['backbone.layer1.0.conv2.weight'])


@pytest.mark.parametrize(('name', 'narrow'), [
    ('se-preresnet110_1xb128_cifar10', {'model.backbone.depth': (1, 1, 1), 'model.backbone.block': 'basic',
                                        'model.backbone.base_channels': 4, 'model.head.in_channels': 16}),
    ('se-wrn16-8_1xb128_cifar100', {'model.backbone.depth': (1, 1, 1), 'model.backbone.widen_factor': 1,
                                    'model.backbone.base_channels': 4, 'model.head.in_channels': 16}),
    ('se-shake-even29-2x4x64d_2xb16_cifar100', {
        'model.backbone.depth': (1, 1, 1), 'model.backbone.base_width': 2, 'model.backbone.base_channels': 2,
        'model.head.in_channels': 32})])
def test_cifar_networks_train(config, runner, cifar, name, narrow):
    root = cifar / ('cifar100' if name.endswith('100') else 'cifar10')
    cfg = config(f'senet/cifar/{name}.py', {**narrow, **data_root(root), 'train_cfg.max_epochs': 1,
                                            'train_cfg.val_interval': 1})
    run = runner(cfg)
    assert kernels_that_stay(run) == []
    assert 'val/accuracy/top1' in run.message_hub.log_scalars


def test_places365_trains(config, runner, places):
    run = runner(config('senet/places365/se-resnet152_32xb32_places365.py', {
        **NARROW, **data_root(places), 'train_cfg.max_epochs': 1}))
    assert kernels_that_stay(run) == []
    assert run.model.head.fc.out_features == 365
    assert [int(sample['data_samples'].gt_label) for sample in run.val_dataloader.dataset] == [364, 363, 362, 361]


DETECTOR = {'model.backbone.depth': (1, 1, 1, 1), 'model.backbone.base_channels': 4,
            'model.neck.in_channels': [16, 32, 64, 128], 'model.neck.out_channels': 16,
            'model.rpn_head.in_channels': 16, 'model.rpn_head.feat_channels': 16,
            'model.roi_head.bbox_roi_extractor.out_channels': 16, 'model.roi_head.bbox_head.in_channels': 16,
            'model.roi_head.bbox_head.fc_out_channels': 32,
            'model.train_cfg.rpn_proposal.max_per_img': 32, 'model.test_cfg.rpn.max_per_img': 32,
            # Without a floor under the scores an untrained network finds something to evaluate.
            'model.test_cfg.rcnn.score_thr': 0.0}


def test_detectors_start_from_a_run_on_imagenet_and_train(config, runner, coco, tmp_path):
    classifier = config('senet/imagenet/se-resnet50_32xb32_in1k.py', NARROW)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(classifier.model)
    # A gate with biases of zero would not show whether it was loaded.
    torch.nn.init.uniform_(model.backbone.layer2[0].context['standard'].excite.up.bias)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'epoch_100.pth')
    cfg = config('senet/coco/faster-rcnn_se-resnet50_fpn_8xb2-2x_coco.py', {
        **DETECTOR, 'model.backbone.init_cfg.checkpoint': str(tmp_path / 'epoch_100.pth'), 'train_cfg.max_iters': 3,
        'train_cfg.val_interval': 3, 'default_hooks.checkpoint.interval': 3})
    shrink(cfg, coco, 96)
    run = runner(cfg)
    run.model.init_weights()
    assert torch.equal(run.model.backbone.layer2[0].context['standard'].excite.up.bias,
                       model.backbone.layer2[0].context['standard'].excite.up.bias)
    assert kernels_that_stay(run) == []
    frozen, free = (run.model.backbone.get_submodule(f'layer{stage}.0.context.standard.excite.up') for stage in (1, 2))
    assert not frozen.weight.requires_grad and free.weight.requires_grad
    assert 'val/coco/bbox_mAP' in run.message_hub.log_scalars


def test_the_files_of_2014_hold_the_images_of_2017(config, coco):
    from se_backbones.lab.convert.coco_minival import make_minival
    make_minival(coco / 'annotations')
    found = []
    for name in ('coco', 'coco2014-minival'):
        cfg = config(f'senet/coco/faster-rcnn_se-resnet50_fpn_8xb2-2x_{name}.py')
        shrink(cfg, coco, 96)
        with DefaultScope.overwrite_default_scope('mmdet'):
            train, val = (DATASETS.build(loader.dataset) for loader in (cfg.train_dataloader, cfg.val_dataloader))
        found.append([{data.get_data_info(index)['img_id'] for index in range(len(data))} for data in (train, val)])
    assert found[0] == found[1] and [len(ids) for ids in found[0]] == [10, 4]


def shrink(cfg, root, size):
    """Point a detector's loaders at a folder and a small image size."""
    def visit(node):
        if isinstance(node, dict):
            if node.get('type') == 'Resize':
                node['scale'] = (size, size)
            if 'data_root' in node:
                node['data_root'] = f'{root}/'
            if str(node.get('ann_file', '')).startswith('data/coco/'):
                node['ann_file'] = node['ann_file'].replace('data/coco', str(root))
            for value in node.values():
                visit(value)
        elif isinstance(node, (list, tuple)):
            for value in node:
                visit(value)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator'):
        visit(cfg[key])
