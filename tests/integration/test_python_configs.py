"""Configs in Python (mmengine's new style), of a host's classes and ours, and what they are dumped as."""

import json
import math

import pytest
from mmengine.config import Config

from se_backbones.lab.analysis.curves import read_curves
from se_backbones.lab.inference import predict

pytestmark = pytest.mark.any_device

# As mmdet's own, mmdet/configs/retinanet/retinanet_r50_fpn_1x_coco.py: default_scope = None.
BASE = """
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, Resize
from mmdet.evaluation import CocoMetric
from mmdet.models.backbones import ResNet
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.models.dense_heads import RetinaHead
from mmdet.models.detectors import RetinaNet
from mmdet.models.losses import FocalLoss, L1Loss
from mmdet.models.necks import FPN
from mmdet.models.task_modules import AnchorGenerator, DeltaXYWHBBoxCoder, MaxIoUAssigner, PseudoSampler
from mmdet.visualization import DetLocalVisualizer
from mmengine.dataset import DefaultSampler
from mmengine.hooks import CheckpointHook, IterTimerHook, LoggerHook
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, LogProcessor, TestLoop, ValLoop
from mmengine.visualization import LocalVisBackend
from torch.optim import SGD

default_scope = None
model = dict(
    type=RetinaNet,
    data_preprocessor=dict(type=DetDataPreprocessor, mean=[127.5] * 3, std=[127.5] * 3, pad_size_divisor=32),
    backbone=dict(type=ResNet, depth=18, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3),
                  norm_cfg=dict(type='BN'), norm_eval=False, style='pytorch'),
    neck=dict(type=FPN, in_channels=[8, 16, 32, 64], out_channels=16, start_level=1, num_outs=4),
    bbox_head=dict(
        type=RetinaHead, num_classes=80, in_channels=16, stacked_convs=1, feat_channels=16,
        anchor_generator=dict(type=AnchorGenerator, octave_base_scale=4, scales_per_octave=3, ratios=[1.0],
                              strides=[8, 16, 32, 64]),
        bbox_coder=dict(type=DeltaXYWHBBoxCoder),
        loss_cls=dict(type=FocalLoss, use_sigmoid=True), loss_bbox=dict(type=L1Loss)),
    # Its iou_calculator is a string in mmdet's code.
    train_cfg=dict(assigner=dict(type=MaxIoUAssigner, pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
                   sampler=dict(type=PseudoSampler), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms_pre=20, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=5))

dataset = dict(
    type=CocoDataset, ann_file='annotations/instances_val2017.json', data_prefix=dict(img='val2017/'),
    pipeline=[dict(type=LoadImageFromFile), dict(type=Resize, scale=(96, 96), keep_ratio=True),
              dict(type=LoadAnnotations, with_bbox=True),
              dict(type=PackDetInputs, meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))])
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=True), dataset=dataset)
val_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False),
                      dataset=dict(dataset, test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type=CocoMetric, metric='bbox')
test_evaluator = val_evaluator
train_cfg = dict(type=IterBasedTrainLoop, max_iters=2, val_interval=2)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01, momentum=0.9))
default_hooks = dict(timer=dict(type=IterTimerHook), logger=dict(type=LoggerHook, interval=1),
                     checkpoint=dict(type=CheckpointHook, interval=2, by_epoch=False))
visualizer = dict(type=DetLocalVisualizer, vis_backends=[dict(type=LocalVisBackend)], name='visualizer')
log_processor = dict(type=LogProcessor, window_size=1, by_epoch=False)
"""
LEAF = """
from mmengine.config import read_base

with read_base():
    from .base import *

from se_backbones.models.backbones import ResNet
from se_backbones.models.operators import GatherExcite

model.merge(dict(backbone=dict(
    type=ResNet,
    context=dict(op=dict(type=GatherExcite, variant='theta', extent=8), stages=(False, True, True, True)))))
"""


@pytest.fixture
def config(tmp_path):
    """The leaf's path."""
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'leaf.py').write_text(LEAF)
    return tmp_path / 'leaf.py'


def options(coco):
    annotations = f'{coco}/annotations/instances_val2017.json'
    return [f'{loop}_dataloader.dataset.data_root={coco}/' for loop in ('train', 'val', 'test')] + [
        f'{loop}_evaluator.ann_file={annotations}' for loop in ('val', 'test')]


def dumped(config, kind):
    file = config.with_name(f'dumped.{kind}')
    Config.fromfile(config).dump(file)
    return file


@pytest.mark.parametrize('kind', ['classes', 'py', 'yaml'])
def test_a_config_of_classes_and_its_dumps_train_and_predict(tool, coco, config, kind, tmp_path):
    file = config if kind == 'classes' else dumped(config, kind)
    work_dir = tmp_path / 'work'
    tool('train', file, '--work-dir', work_dir, '--cfg-options', *options(coco))
    losses = read_curves(work_dir)['loss'].values
    assert len(losses) == 2 and all(map(math.isfinite, losses))
    # What the run dumped beside its checkpoint.
    found = Config.fromfile(work_dir / file.name)
    assert found.model.backbone.context.op.type == 'se_backbones.models.operators.GatherExcite'
    assert found.default_hooks.checkpoint.type == 'se_backbones.CheckpointHook'
    image = next((coco / 'val2017').iterdir())
    (prediction,) = predict(str(work_dir / file.name), str(work_dir / 'iter_2.pth'), [str(image)], score_threshold=0)
    assert prediction.objects


def test_a_dump_in_json_is_refused_for_the_tuples_that_it_lacks(tool, coco, config, tmp_path):
    file = dumped(config, 'json')
    assert json.loads(file.read_text())
    with pytest.raises(SystemExit, match=r'train_dataloader.dataset.pipeline\[1\].scale=\[96, 96\] .* no tuples'):
        tool('train', file, '--work-dir', tmp_path / 'work', '--cfg-options', *options(coco))


def test_a_hosts_class_takes_no_context(tool, coco, config):
    config.write_text(LEAF.replace('from se_backbones.models.backbones', 'from mmdet.models.backbones'))
    with pytest.raises(SystemExit, match='model.backbone.type=mmdet.models.backbones.resnet.ResNet takes no context; '
                                         'import ResNet from se_backbones.models.backbones'):
        tool('train', config, '--cfg-options', *options(coco))
