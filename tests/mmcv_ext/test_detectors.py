"""mmdet's detectors on these operators: a loss, its gradients, and predictions."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData

# mmdet's configs, with our plain ResNet-50 at an eighth of its width: its maps have these channels.
NARROW = dict(type='se_backbones.ResNet', base_channels=8, init_cfg=None, frozen_stages=-1, norm_eval=False)
CHANNELS = [32, 64, 128, 256]
DETECTORS = {
    'Faster R-CNN': 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'Mask R-CNN': 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    'Cascade R-CNN': 'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    'RetinaNet': 'retinanet/retinanet_r50_fpn_1x_coco.py',
    'FCOS': 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    'deformable convolutions': 'dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py',
    'modulated deformable convolutions': 'dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py',
    'Deformable DETR': 'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    'guided anchoring': 'guided_anchoring/ga-retinanet_r50-caffe_fpn_1x_coco.py',
}


def model_config(path: str, tmp_path) -> dict:
    """Return the detector of one of mmdet's configs, narrow, few of all."""
    (tmp_path / 'config.py').write_text(f"_base_ = 'mmdet::{path}'\n")
    model = Config.fromfile(tmp_path / 'config.py').model
    model.backbone.update(NARROW, norm_cfg=dict(type='BN', requires_grad=True))
    model.neck.in_channels = CHANNELS[-len(model.neck.in_channels):]
    for head in [*model.get('roi_head', {}).values()]:  # widths of COCO would take most of the time
        for part in head if isinstance(head, list) else [head]:
            if isinstance(part, dict) and 'fc_out_channels' in part:
                part.fc_out_channels = 32
    if 'encoder' in model:
        model.encoder.num_layers = model.decoder.num_layers = 1
        model.num_queries = 20
    # A new network's scores are near 0; what is left of them is to be looked at.
    for settings in (model.test_cfg, model.test_cfg.get('rcnn', {})):
        if 'score_thr' in settings:
            settings.score_thr = 0.0
    return model


def samples(number: int = 2, size: int = 64) -> list[DetDataSample]:
    found = []
    for i in range(number):
        sample = DetDataSample(metainfo=dict(img_shape=(size, size), ori_shape=(size, size), scale_factor=(1., 1.),
                                             batch_input_shape=(size, size), pad_shape=(size, size)))
        boxes = torch.tensor([[4., 6., 40., 44.], [30., 20., 60., 62.]])
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([i, 3]))
        sample.ignored_instances = InstanceData(bboxes=boxes[:0])
        found.append(sample)
    return found


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
@pytest.mark.parametrize('name', DETECTORS)
def test_a_detector_learns_and_predicts(name, device, tmp_path):
    from mmdet.structures.mask import BitmapMasks
    init_default_scope('mmdet')
    detector = MODELS.build(model_config(DETECTORS[name], tmp_path))
    detector.init_weights()
    detector.to(device)
    images, data = torch.randn(2, 3, 64, 64, device=device), [sample.to(device) for sample in samples()]
    if getattr(detector, 'with_mask', False):
        for sample in data:
            sample.gt_instances.masks = BitmapMasks(np.ones((2, 64, 64), np.uint8), 64, 64)
    loss, _ = detector.train().parse_losses(detector.loss(images, data))
    loss.backward()
    grads = [parameter.grad for parameter in detector.parameters() if parameter.grad is not None]
    assert loss.isfinite() and all(grad.isfinite().all() for grad in grads) and len(grads) > 50
    assert sum(bool(grad.any()) for grad in grads) > 50
    detector.eval()
    with torch.no_grad():
        for sample in detector.predict(images[:1], data[:1]):  # guided anchoring takes one image at a time
            found = sample.pred_instances
            assert len(found) and found.bboxes.isfinite().all() and ((found.scores >= 0) & (found.scores <= 1)).all()
