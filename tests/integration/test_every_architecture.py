"""Two steps of training of every architecture in every task that it is for, on generated images, and a prediction.

The configs of both papers and of segmentation/ train in tests/configs and test_segmentation.py; here is what they leave
out, too.
"""

from importlib.util import find_spec

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData, PixelData

pytestmark = pytest.mark.any_device

SE = dict(op=dict(type='SqueezeExcite', ratio=2))
GE = dict(op=dict(type='GatherExcite', variant='theta', extent=4))
SIZE = 96
# Settings that make each network small, and the stages whose maps have strides 8, 16 and 32; none: networks for CIFAR.
NETWORKS = {
    'ResNet': (dict(depth=(1, 1, 1, 1), base_channels=4, context=GE), (1, 2, 3)),
    'ResNeXt': (dict(depth=(1, 1, 1, 1), base_channels=4, groups=2, base_width=2, context=SE), (1, 2, 3)),
    'SENet': (dict(depth=(1, 1, 1, 1), base_channels=4, groups=2, base_width=2), (1, 2, 3)),
    'VGG': (dict(depth=(1, 1, 1, 1, 1), base_channels=4, context=SE), (2, 3, 4)),
    'BNInception': (dict(depth=(1, 1, 1), widen_factor=1 / 16, context=SE), (1, 2, 3)),
    'InceptionResNetV2': (dict(depth=(1, 1, 1), widen_factor=1 / 16, context=SE), (1, 2, 3)),
    'MobileNetV1': (dict(depth=(1, 1, 1, 1, 1), widen_factor=1 / 8, context=SE), (2, 3, 4)),
    'ShuffleNetV1': (dict(depth=(1, 1, 1), widen_factor=1 / 4, groups=2, context=GE), (0, 1, 2)),
    'PreActResNet': (dict(depth=(1, 1, 1), base_channels=4, block='basic', context=GE), ()),
    'WideResNet': (dict(depth=(1, 1, 1), base_channels=4, widen_factor=2, context=SE), ()),
    'ShakeShake': (dict(depth=(1, 1, 1), base_width=4, block='basic', context=SE), ()),
}
PYRAMIDS = [name for name, (_, stages) in NETWORKS.items() if stages]


def backbone(name, **kwargs):
    return dict(type=f'se_backbones.{name}', input_size=SIZE, **NETWORKS[name][0], **kwargs)


def channels(name, **kwargs):
    with torch.device('meta'):
        return [feature.channels for feature in MODELS.build(backbone(name, **kwargs)).feature_info]


def images():
    return [torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8) for _ in range(2)]


def train_two_steps(scope, cfg, samples):
    """Train, check that the loss reaches every parameter, and return predictions."""
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(ConfigDict(cfg))
    model.init_weights()
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9))
    model.train()
    for _ in range(2):
        losses = model.train_step(dict(inputs=images(), data_samples=samples()), optimizer)
        assert losses['loss'].isfinite()
    assert any(name.startswith('backbone') and not torch.equal(parameter, start[name])
               for name, parameter in model.named_parameters())
    data = model.data_preprocessor(dict(inputs=images(), data_samples=samples()), training=True)
    model.parse_losses(model(**data, mode='loss'))[0].backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    model.train(False)  # mmpretrain's and mmseg's return nothing
    with torch.no_grad():
        return model.test_step(dict(inputs=images(), data_samples=samples()))


@pytest.mark.parametrize('name', NETWORKS)
def test_classifier(name):
    from mmpretrain.structures import DataSample
    found = train_two_steps('mmpretrain', dict(
        type='ImageClassifier', data_preprocessor=dict(mean=[127.5] * 3, std=[60] * 3), backbone=backbone(name),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=channels(name)[-1])),
        lambda: [DataSample().set_gt_label(label) for label in (1, 3)])
    assert [sample.pred_score.shape for sample in found] == [(5,), (5,)]


@pytest.mark.parametrize('name', PYRAMIDS)
def test_detector(name):
    from mmdet.structures import DetDataSample

    def samples():
        boxes = torch.tensor([[8., 8, 40, 40], [50, 20, 80, 90]])
        meta = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), batch_input_shape=(SIZE, SIZE),
                    pad_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0))
        return [DetDataSample(metainfo=meta, gt_instances=InstanceData(bboxes=boxes.clone(),
                                                                       labels=torch.tensor([0, 2]))) for _ in range(2)]
    stages = NETWORKS[name][1]
    found = train_two_steps('mmdet', dict(
        type='RetinaNet', data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.5] * 3, std=[60] * 3),
        backbone=backbone(name, out_indices=stages),
        neck=dict(type='FPN', in_channels=channels(name, out_indices=stages), out_channels=8, num_outs=3),
        bbox_head=dict(
            type='RetinaHead', num_classes=3, in_channels=8, stacked_convs=1, feat_channels=8,
            anchor_generator=dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1, ratios=[1.0],
                                  strides=[8, 16, 32])),
        train_cfg=dict(assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
                                     ignore_iof_thr=-1), allowed_border=-1, pos_weight=-1),
        test_cfg=dict(nms_pre=50, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
                      max_per_img=5)), samples)
    assert [len(sample.pred_instances) for sample in found] == [5, 5]


@pytest.mark.skipif(find_spec('mmseg') is None, reason='mmseg is not installed (the extra [seg])')
@pytest.mark.parametrize('name', PYRAMIDS)
def test_segmentor(name):
    from mmseg.structures import SegDataSample

    def samples():
        meta = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), pad_shape=(SIZE, SIZE))
        return [SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=torch.randint(0, 4, (1, SIZE, SIZE))))
                for _ in range(2)]
    stages = NETWORKS[name][1]
    found = train_two_steps('mmseg', dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[127.5] * 3, std=[60] * 3, size=(SIZE, SIZE)),
        backbone=backbone(name, out_indices=stages),
        decode_head=dict(
            type='FCNHead', in_channels=channels(name, out_indices=stages), in_index=[0, 1, 2], num_convs=1, channels=8,
            input_transform='resize_concat', concat_input=False, num_classes=4, norm_cfg=dict(type='BN'),
            align_corners=False, loss_decode=dict(type='CrossEntropyLoss')),
        train_cfg=dict(), test_cfg=dict(mode='whole')), samples)
    assert [sample.pred_sem_seg.data.shape for sample in found] == [(1, SIZE, SIZE)] * 2
