"""Detectors from our configs, end to end: train, checkpoint, resume, test, predict."""

import math

import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner.checkpoint import load_state_dict

import se_backbones
from helpers import as_if_trained, narrow, save_model
from se_backbones.lab.analysis.curves import read_curves
from se_backbones.models.operators import ContextOperator

pytestmark = pytest.mark.any_device

NARROW = ['model.backbone.depth=(1,1,1,1)', 'model.backbone.base_channels=8']
IN_PROCESS = ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
              'val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False',
              'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
# Proposals and head widths of COCO would take most of a test's time.
FEW_PROPOSALS = ['model.train_cfg.rpn_proposal.max_per_img=64', 'model.train_cfg.rpn_proposal.nms_pre=100',
                 'model.test_cfg.rpn.max_per_img=64', 'model.test_cfg.rpn.nms_pre=100']
NARROW_HEADS = ['model.neck.in_channels=[32,64,128,256]', 'model.roi_head.bbox_head.fc_out_channels=64',
                'model.neck.out_channels=32', 'model.rpn_head.in_channels=32', 'model.rpn_head.feat_channels=32',
                'model.roi_head.bbox_roi_extractor.out_channels=32', 'model.roi_head.bbox_head.in_channels=32']
DINO = ['model.num_queries=20', 'model.neck.in_channels=[64,128,256]', 'model.neck.out_channels=32',
        'model.neck.norm_cfg.num_groups=4', 'model.positional_encoding.num_feats=16', 'model.bbox_head.embed_dims=32',
        'model.dn_cfg.group_cfg.num_dn_queries=4', 'model.test_cfg.max_per_img=20',
        *(f'model.{part}.{key}={value}' for part in ('encoder', 'decoder') for key, value in (
            ('num_layers', 1), ('layer_cfg.self_attn_cfg.embed_dims', 32), ('layer_cfg.ffn_cfg.embed_dims', 32),
            ('layer_cfg.ffn_cfg.feedforward_channels', 32))),
        'model.decoder.layer_cfg.cross_attn_cfg.embed_dims=32',
        # Its own images are those of crops at 480 px and more.
        'train_dataloader.dataset.pipeline.3.prob=[1.0,0.0]',
        'train_dataloader.dataset.pipeline.3.transforms.0.0.scales=[(96,96)]']
FROM_SCRATCH = ['model.backbone.init_cfg=None', 'model.backbone.norm_eval=False', 'model.backbone.frozen_stages=-1']


def on(coco, size=96):
    """Options that point a stock COCO config at a folder and a small size."""
    options = [f'val_evaluator.ann_file={coco}/annotations/instances_val2017.json',
               f'test_evaluator.ann_file={coco}/annotations/instances_val2017.json', *IN_PROCESS]
    for loader in ('train', 'val', 'test'):
        options.append(f'{loader}_dataloader.dataset.data_root={coco}/')
        resize = 1 if loader != 'train' else 2
        options.append(f'{loader}_dataloader.dataset.pipeline.{resize}.scale=({size},{size})')
    return options


@pytest.fixture
def ge_run(tool, coco, tmp_path):
    """Return a function that runs configs/faster_rcnn_ge_r50.py, narrow, on the COCO layout."""
    def run(*options, epochs=2, more=()):
        tool('train', se_backbones.config_path('faster_rcnn_ge_r50.py'), '--work-dir', tmp_path / 'work', *more,
             '--cfg-options', f'train_cfg.max_epochs={epochs}', 'default_hooks.logger.interval=1',
             'train_dataloader.batch_size=4', 'param_scheduler=None', 'optim_wrapper.optimizer.lr=0.005', *NARROW_HEADS,
             *FEW_PROPOSALS, *NARROW, *FROM_SCRATCH, *on(coco), *options)
        return tmp_path / 'work'
    return run


def test_entry_config_trains_checkpoints_resumes_and_tests(ge_run, tool, coco, tmp_path):
    work_dir = ge_run()
    losses = read_curves(work_dir)['loss'].values
    assert len(losses) == 12 and np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert (work_dir / 'epoch_2.pth').exists()
    ge_run(epochs=3, more=['--resume'])
    assert read_curves(work_dir)['loss'].steps == list(range(1, 19))
    assert (work_dir / 'epoch_3.pth').exists()
    tool('test', se_backbones.config_path('faster_rcnn_ge_r50.py'), work_dir / 'epoch_3.pth', '--work-dir',
         tmp_path / 'test', '--out', tmp_path / 'out.pkl', '--show-dir', tmp_path / 'drawn', '--cfg-options',
         *NARROW_HEADS, *FEW_PROPOSALS, *NARROW, *on(coco))
    assert len(mmengine.load(tmp_path / 'out.pkl')) == 6
    assert len(list((tmp_path / 'drawn').glob('*.png'))) == 6


@pytest.mark.parametrize(('name', 'channels'), [
    ('examples/retinanet_se_r50.py', '[32,64,128,256]'), ('examples/cascade_rcnn_ge_x101.py', '[32,64,128,256]'),
    ('examples/mask_rcnn_ge_r50.py', '[32,64,128,256]'), ('faster_rcnn_ge_r50_c4.py', None),
    ('examples/dino_se_r50.py', DINO),
])
def test_inherited_detector_trains_two_iterations(tool, coco, tmp_path, name, channels):
    cfg = Config.fromfile(se_backbones.config_path(name))
    options = [*NARROW, *on(coco), *FROM_SCRATCH]
    if channels is DINO:
        options = [option for option in options if 'pipeline.2.scale' not in option] + DINO
    elif channels:
        options.append(f'model.neck.in_channels={channels}')
    else:  # C4: the head sees the widths that the trunk has
        options += ['model.roi_head.shared_head.depth=(1,1,1,1)', 'model.roi_head.shared_head.base_channels=8',
                    'model.roi_head.shared_head.init_cfg=None', 'model.rpn_head.in_channels=128',
                    'model.rpn_head.feat_channels=32', 'model.roi_head.bbox_roi_extractor.out_channels=128',
                    'model.roi_head.bbox_head.in_channels=256']
    if 'rpn_head' in cfg.model:
        options += FEW_PROPOSALS
    if 'groups' in cfg.model.backbone:
        options += ['model.backbone.groups=2', 'model.backbone.base_width=4']
    tool('train', se_backbones.config_path(name), '--work-dir', tmp_path, '--cfg-options', 'train_cfg._delete_=True',
         'train_cfg.type=IterBasedTrainLoop', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
         'param_scheduler=None', 'default_hooks.logger.interval=1', 'train_dataloader.batch_size=4', *options)
    losses = read_curves(tmp_path)['loss'].values
    assert len(losses) == 2 and all(map(math.isfinite, losses))


def narrow_detector(context, checkpoint=None):
    """The entry config's detector at test size, with mmdet's frozen stages and norm_eval kept."""
    cfg = Config.fromfile(se_backbones.config_path('faster_rcnn_ge_r50.py'))
    cfg.model.backbone.update(depth=(2, 1, 1, 1), base_channels=8, context=context, init_cfg=checkpoint and dict(
        type='Pretrained', checkpoint=checkpoint, prefix='backbone.'))
    cfg.model.neck.in_channels = [32, 64, 128, 256]
    cfg.model.roi_head.bbox_head.update(num_classes=10, fc_out_channels=64)
    cfg.merge_from_dict({key: int(value) for key, value in (option.split('=') for option in FEW_PROPOSALS)})
    init_default_scope('mmdet')
    return MODELS.build(cfg.model)


def test_plain_detector_with_gates_inserted_predicts_the_same_and_every_gate_moves(tmp_path):
    """A trained plain detector; GE theta E8 inserted as a stock config's own `Pretrained` does; ten steps."""
    from mmdet.testing import demo_mm_inputs
    plain = narrow_detector(None)
    plain.init_weights()
    as_if_trained(plain)
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'plain.pth')
    op = dict(type='GatherExcite', variant='theta', extent=8)
    gated = narrow_detector(dict(op=op, stages=(False, True, True, True)), str(tmp_path / 'plain.pth'))
    gated.init_weights()
    rest = {k: v for k, v in plain.state_dict().items() if not k.startswith('backbone.')}
    load_state_dict(gated, {**gated.state_dict(), **rest}, strict=True)

    batch = demo_mm_inputs(2, [[3, 192, 192]] * 2, num_classes=10)
    found = []
    for detector in (plain, gated):
        data = detector.data_preprocessor({k: list(v) for k, v in batch.items()}, False)
        with torch.no_grad():
            found.append(detector.eval().predict(data['inputs'], data['data_samples']))
    for a, b in zip(*found, strict=True):
        assert len(a.pred_instances) > 0
        for key in ('bboxes', 'scores', 'labels'):
            assert torch.equal(a.pred_instances[key], b.pred_instances[key])

    gates = {name: p for name, p in gated.named_parameters() if '.context.' in name}
    start = {name: p.detach().clone() for name, p in gates.items()}
    # The stock optimizer of the config, after its warm-up.
    optimizer = torch.optim.SGD([p for p in gated.parameters() if p.requires_grad], lr=0.02, momentum=0.9,
                                weight_decay=1e-4)
    gated.train()
    for _ in range(10):
        data = gated.data_preprocessor({k: list(v) for k, v in batch.items()}, True)
        losses, _ = gated.parse_losses(gated.loss(data['inputs'], data['data_samples']))
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
    assert not [name for name, p in gates.items() if torch.equal(p, start[name])]
    assert all(torch.equal(p, q) for (_, p), (_, q) in zip(
        gated.backbone.layer1.named_parameters(), plain.backbone.layer1.named_parameters(), strict=True))


@pytest.fixture(scope='module')
def digits_checkpoint(tmp_path_factory):
    """configs/digits/faster_rcnn_ge_r18.py in a narrow form, and an untrained checkpoint of it."""
    cfg = narrow('faster_rcnn_ge_r18')
    return save_model(cfg, tmp_path_factory.mktemp('checkpoint'), cfg.classes)


def test_mmdets_own_inference_api_works(digits_checkpoint, scenes):
    from mmdet.apis import DetInferencer, inference_detector, init_detector
    config, checkpoint = digits_checkpoint
    image = str(next((scenes / 'val').iterdir()))
    model = init_detector(config, checkpoint, device='cpu')
    assert any(isinstance(m, ContextOperator) for m in model.modules())
    found = inference_detector(model, image).pred_instances
    inferencer = DetInferencer(model=config, weights=checkpoint, device='cpu', show_progress=False)
    result = inferencer(image)['predictions'][0]
    np.testing.assert_allclose(result['scores'], found.scores.numpy(), rtol=1e-5)
    assert DetInferencer(weights=checkpoint, device='cpu', show_progress=False) is not None


def test_infer_draws_each_image_and_overwrites_none_of_them(tool, digits_checkpoint, scenes, tmp_path):
    before = {path: path.read_bytes() for path in (scenes / 'val').iterdir()}
    tool('infer', *digits_checkpoint, scenes / 'val', '--out-dir', tmp_path / 'out', '--score-threshold', '0.0')
    assert {p.stem for p in (tmp_path / 'out').iterdir()} == {p.stem for p in before}
    assert all(path.read_bytes() == content for path, content in before.items())


def test_infer_and_test_name_a_missing_file(tool, digits_checkpoint, tmp_path):
    with pytest.raises(SystemExit, match='There is no file .*nothing.jpg'):
        tool('infer', *digits_checkpoint, tmp_path / 'nothing.jpg')
    with pytest.raises(SystemExit, match='error: There is no checkpoint nothing.pth'):
        tool('test', digits_checkpoint[0], 'nothing.pth')
    with pytest.raises(SystemExit, match='There is no config file nothing.py'):
        tool('train', 'nothing.py')
