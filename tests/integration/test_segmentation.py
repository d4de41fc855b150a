"""Instance, panoptic and semantic segmentation from our configs: train, evaluate, draw."""

import json
import math
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import se_backbones
from helpers import narrow, save_model
from se_backbones.lab.analysis.curves import read_curves
from se_backbones.lab.digits.digit_scenes import DIGIT_NAMES
from se_backbones.lab.inference import predict

pytestmark = pytest.mark.any_device

NARROW = ['model.backbone.base_channels=8']
needs_mmseg = pytest.mark.skipif(find_spec('mmseg') is None, reason='mmseg is not installed (the extra [seg])')


def on_scenes(scenes):
    return [f'{loader}_dataloader.dataset.data_root={scenes}/' for loader in ('train', 'val', 'test')]


def one_epoch(tool, name, work_dir, *options):
    """Train a digits config for one epoch, evaluate at its end, and return what was logged."""
    tool('train', se_backbones.config_path(name), '--work-dir', work_dir, '--cfg-options', 'train_cfg.max_epochs=1',
         'train_cfg.val_interval=1', 'default_hooks.logger.interval=1', *NARROW, *options)
    logs = [json.loads(line) for path in work_dir.rglob('vis_data/scalars.json')
            for line in path.read_text().splitlines()]
    return {key: value for line in logs for key, value in line.items()}


MASK_RCNN = ['model.neck.in_channels=[8,16,32,64]', 'model.roi_head.mask_head.num_convs=1',
             # Without a floor under the scores the untrained network finds something to evaluate.
             'model.test_cfg.rcnn.score_thr=0.0']
FCN = ['model.decode_head.in_channels=[8,16,32,64]', 'model.decode_head.channels=8']


def test_mask_rcnn_of_the_digits_trains_and_evaluates_masks(tool, scenes, tmp_path):
    annotations = f'{scenes}/annotations/instances_val.json'
    data = [*on_scenes(scenes), f'val_evaluator.ann_file={annotations}', f'test_evaluator.ann_file={annotations}',
            f'val_evaluator.outfile_prefix={tmp_path}/found']
    logged = one_epoch(tool, 'digits/mask_rcnn_ge_r18.py', tmp_path / 'work', *MASK_RCNN, *data)
    assert math.isfinite(logged['loss_mask']) and 0 < logged['loss_mask']
    truth = COCO(annotations)
    evaluation = COCOeval(truth, truth.loadRes(f'{tmp_path}/found.segm.json'), 'segm')
    evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    assert logged['coco/segm_mAP'] == pytest.approx(evaluation.stats[0], abs=1e-3)
    config = next((tmp_path / 'work').glob('*.py'))
    tool('infer', config, tmp_path / 'work' / 'epoch_1.pth', scenes / 'val' / '000001.jpg', '--out-dir',
         tmp_path / 'drawn', '--score-threshold', '0.0')
    # Masks are enlarged with the picture.
    assert Image.open(tmp_path / 'drawn' / '000001.png').size == (384, 384)


@needs_mmseg
def test_fcn_of_the_digits_trains_and_evaluates(tool, scenes, tmp_path):
    logged = one_epoch(tool, 'digits/fcn_ge_r18.py', tmp_path, *FCN, *on_scenes(scenes))
    assert math.isfinite(logged['decode.loss_ce']) and math.isfinite(logged['mIoU'])


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory):
    """configs/digits/fcn_ge_r18.py at a quarter of its width, and an untrained checkpoint."""
    pytest.importorskip('mmseg', reason='mmseg is not installed (the extra [seg])')
    cfg = narrow('fcn_ge_r18')
    return save_model(cfg, tmp_path_factory.mktemp('segmentor'), **cfg.metainfo)


def test_a_segmentor_is_tested_and_drawn_into_the_folder_that_is_named(tool, segmentor, scenes, tmp_path):
    tool('test', *segmentor, '--work-dir', tmp_path / 'work', '--show-dir', tmp_path / 'shown', '--tta',
         '--cfg-options', *on_scenes(scenes))
    assert len(list((tmp_path / 'shown').rglob('*.png'))) == 6


def test_infer_prints_the_parts_of_a_segmentors_classes_and_draws_them(tool, segmentor, scenes, tmp_path, capsys):
    tool('infer', *segmentor, scenes / 'val' / '000001.jpg', '--out-dir', tmp_path)
    line = next(line for line in capsys.readouterr().out.splitlines() if ' -> ' in line)
    words = line.partition(': ')[2].partition(' -> ')[0].split(', ')
    # Largest first, and together the whole image but for the rounding of what is printed.
    parts = [float(word.split()[1]) for word in words]
    assert parts == sorted(parts, reverse=True) and abs(sum(parts) - 1) < 0.06
    width, height = Image.open(tmp_path / '000001.png').size
    assert width == 384 < height  # with a legend below


def test_a_segmentors_parts_are_those_of_mmsegs_own_inference(segmentor, scenes):
    from mmseg.apis import inference_model, init_model
    cfg, image = Config.fromfile(segmentor[0]), str(scenes / 'val' / '000002.jpg')
    before = cfg.pretty_text
    prediction = next(iter(predict(cfg, segmentor[1], [image])))
    assert cfg.pretty_text == before
    labels = inference_model(init_model(cfg, segmentor[1], 'cpu'), image).pred_sem_seg.data.numpy()
    expected = {cfg.metainfo.classes[label]: np.mean(labels == label) for label in np.unique(labels)}
    assert {found['label']: found['score'] for found in prediction.objects} == pytest.approx(expected)


# One iteration and one evaluation of the configs for COCO, Cityscapes and ADE20K, on digit scenes in their place.

SMALL_BACKBONE = ['model.backbone.depth=(1,1,1,1)', 'model.backbone.base_channels=8']
IN_PROCESS = [f'{loader}_dataloader.{key}' for loader in ('train', 'val', 'test')
              for key in ('num_workers=0', 'persistent_workers=False')]
ONE_ITERATION = ['train_cfg.type=IterBasedTrainLoop', 'train_cfg.max_iters=1', 'train_cfg.val_interval=1',
                 'param_scheduler=None', 'default_hooks.logger.interval=1', 'train_dataloader.batch_size=2']


def assert_trained(work_dir):
    losses = read_curves(work_dir)['loss'].values
    assert len(losses) == 1 and math.isfinite(losses[0])


@needs_mmseg
@pytest.mark.parametrize(('name', 'heads'), [
    ('fcn_ge_r50_cityscapes.py', ['model.decode_head.in_channels=256']),
    ('pspnet_se_r50_ade20k.py', ['model.decode_head.in_channels=256']),
    ('deeplabv3_ge_r50_ade20k.py', ['model.decode_head.in_channels=256', 'model.decode_head.dilations=(1,2)']),
    ('upernet_se_r50_ade20k.py', ['model.decode_head.in_channels=[32,64,128,256]']),
])
def test_segmentor_trains_one_iteration_and_evaluates(tool, scenes, tmp_path, name, heads):
    data = []
    for loader, folder in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        dataset = f'{loader}_dataloader.dataset'
        data += [f'{dataset}.data_root={scenes}', f'{dataset}.data_prefix.img_path={folder}',
                 f'{dataset}.data_prefix.seg_map_path=semantic/{folder}', f'{dataset}.img_suffix=.jpg',
                 f'{dataset}.seg_map_suffix=.png', f'{dataset}.pipeline.{2 if loader == "train" else 1}.scale=(96,96)']
    tool('train', se_backbones.config_path(f'segmentation/{name}'), '--work-dir', tmp_path, '--cfg-options',
         *SMALL_BACKBONE, 'model.pretrained=None', *heads, 'model.decode_head.channels=8',
         'model.auxiliary_head.in_channels=128', 'model.auxiliary_head.channels=8',
         'train_dataloader.dataset.pipeline.3.crop_size=(64,64)', 'model.data_preprocessor.size=(64,64)',
         'default_hooks.checkpoint=None', *ONE_ITERATION, *IN_PROCESS, *data)
    assert_trained(tmp_path)


# Panoptic FPN. mmdet reads and scores COCO's panoptic files with panopticapi, which no package index has; masks and
# labels reach the same network from instance annotations and label maps.

PANOPTIC = ['model.neck.in_channels=[32,64,128,256]', 'model.roi_head.bbox_head.num_classes=10',
            'model.roi_head.mask_head.num_classes=10', 'model.roi_head.bbox_head.fc_out_channels=32',
            'model.backbone.init_cfg=None', 'model.backbone.norm_eval=False', 'model.backbone.frozen_stages=-1',
            'model.train_cfg.rpn_proposal.max_per_img=32', 'model.test_cfg.rpn.max_per_img=32',
            'model.test_cfg.rcnn.score_thr=0.0', 'model.test_cfg.panoptic.stuff_area_limit=1',
            *(f'model.{head}.num_{kind}_classes={number}' for head in ('semantic_head', 'panoptic_fusion_head')
              for kind, number in (('things', 10), ('stuff', 1)))]


def test_panoptic_fpn_trains_and_its_segments_are_drawn(tool, scenes, tmp_path):
    maps = tmp_path / 'maps'
    maps.mkdir()
    for path in (scenes / 'semantic' / 'train').iterdir():
        # Things come first, then the ground.
        labels = np.asarray(Image.open(path))
        Image.fromarray(np.where(labels == 0, 10, labels - 1).astype(np.uint8)).save(maps / path.name)
    classes = (*DIGIT_NAMES, 'ground')
    config = tmp_path / 'panoptic.py'
    config.write_text(f"""
_base_ = {se_backbones.config_path('segmentation/panoptic_fpn_ge_r50_coco.py')!r}
load = dict(type='LoadImageFromFile')
resize = dict(type='Resize', scale=(96, 96), keep_ratio=True)
train_dataloader = dict(dataset=dict(
    type='CocoDataset', data_root='', ann_file='{scenes}/annotations/instances_train.json',
    metainfo=dict(classes={DIGIT_NAMES}), data_prefix=dict(img='{scenes}/train/', seg='{maps}/'),
    pipeline=[load, dict(type='LoadAnnotations', with_bbox=True, with_mask=True, with_seg=True), resize,
              dict(type='PackDetInputs')]))
val_dataloader = val_evaluator = val_cfg = test_evaluator = test_cfg = None
test_dataloader = dict(_delete_=True, dataset=dict(type='CocoDataset', pipeline=[load, resize, dict(
    type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]))
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=1)
param_scheduler = []
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=1))
""")
    tool('train', config, '--work-dir', tmp_path / 'work', '--cfg-options', *SMALL_BACKBONE, *PANOPTIC,
         'train_dataloader.batch_size=2', 'test_dataloader=None', *IN_PROCESS[:2])
    assert_trained(tmp_path / 'work')
    cfg = Config.fromfile(tmp_path / 'work' / 'panoptic.py')
    cfg.test_dataloader = Config.fromfile(config).test_dataloader
    checkpoint = torch.load(tmp_path / 'work' / 'iter_1.pth', weights_only=False)
    checkpoint['meta']['dataset_meta'] = dict(classes=classes)
    torch.save(checkpoint, tmp_path / 'model.pth')
    image = str(scenes / 'val' / '000001.jpg')
    prediction = next(iter(predict(cfg, str(tmp_path / 'model.pth'), [image], score_threshold=0.0)))
    height, width, _ = prediction.drawn.shape
    assert width == 384 < height  # with a legend below
    assert prediction.objects and sum(segment['score'] for segment in prediction.objects) <= 1 + 1e-6
    assert {segment['label'] for segment in prediction.objects} <= set(classes)
