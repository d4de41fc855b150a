"""The detector without what exporters cannot follow, against mmdet's own `predict`."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config

import se_backbones
from se_backbones.lab.export import ExportError, part_of, to_bytes
from se_backbones.lab.export.formats import FORMATS, torchscript
from se_backbones.lab.export.parity import largest_differences
from se_backbones.lab.inference.loading import build_model
from se_backbones.models.fusion import fuse_for_inference


def batch_of(image):
    """What a test loader yields for one image ``(3, H, W)``."""
    sample = DetDataSample(metainfo=dict(img_shape=image.shape[1:], ori_shape=image.shape[1:], scale_factor=(1., 1.)))
    return dict(inputs=[image.to(torch.uint8)], data_samples=[sample])


def batches(*sizes):
    return [batch_of(torch.randint(0, 256, (3, *size))) for size in sizes]


def assert_same(differences):
    assert max(differences.values()) < 1e-3, differences


@pytest.mark.parametrize('name', ['digits/faster_rcnn_ge_r18.py', 'faster_rcnn_ge_r50_c4.py'])
def test_it_finds_what_mmdet_finds_at_any_size(narrow_detector, name):
    part = part_of(narrow_detector(name))
    images = batches((128, 128), (97, 131), (64, 224))
    found = [len(part.expected(batch)[0]) for batch in images]
    assert min(found) > 1 and max(part.expected(images[0])[2]) > 0, 'more than one object and class, or it says little'
    assert_same(largest_differences(part, part, images))


def test_one_box_for_each_class_is_decoded_from_its_own_four_numbers(narrow_detector):
    model = narrow_detector('faster_rcnn_ge_r50_c4.py', rcnn=dict(score_thr=0.0))
    assert not model.roi_head.bbox_head.reg_class_agnostic
    boxes, _, labels = part_of(model).expected(batches((128, 160))[0])
    assert len(labels.unique()) > 1 and len(boxes) > 1


def test_fewer_proposals_than_asked_for_are_not_filled_up_with_anything(narrow_detector):
    """A level of 2 x 2 cells has fewer anchors than ``nms_pre``."""
    part = part_of(narrow_detector(rpn=dict(nms_pre=200, max_per_img=2000), rcnn=dict(score_thr=0.0, max_per_img=9000)))
    images = batches((64, 64))
    assert len(part.expected(images[0])[0]) > 100
    assert_same(largest_differences(part, part, images))


def test_small_proposals_are_left_out_before_they_push_others_out(narrow_detector):
    part = part_of(narrow_detector(rpn=dict(min_bbox_size=12)))
    assert_same(largest_differences(part, part, batches((128, 128), (97, 131), (64, 224))))


def test_an_image_without_objects_gives_no_boxes(narrow_detector):
    part = part_of(narrow_detector(rcnn=dict(score_thr=0.9999)))
    boxes, scores, labels = part(torch.rand(1, 3, 64, 64) * 255)
    assert boxes.shape == (0, 4) and scores.shape == labels.shape == (0,)


@pytest.mark.parametrize('name', ['digits/faster_rcnn_ge_r18.py', 'faster_rcnn_ge_r50_c4.py'])
@pytest.mark.parametrize('fold', [False, True], ids=['norms', 'folded'])
def test_a_torchscript_file_finds_the_same_at_other_sizes_than_it_was_traced_with(narrow_detector, name, fold):
    model = narrow_detector(name)
    run = torchscript.from_bytes(to_bytes(model, torch.zeros(1, 3, 64, 64), 'torchscript', fold=fold))
    assert_same(largest_differences(part_of(model), run, batches((128, 128), (97, 131), (64, 224))))


@pytest.mark.parametrize('format', ['torchscript', pytest.param('onnx', marks=pytest.mark.slow)])
def test_a_file_has_the_operators_in_a_strange_backbone(narrow_detector, needs_format, format):
    needs_format(format)
    model = narrow_detector(backbone=dict(
        type='se_backbones.WithContext', context=dict(op=dict(type='SqueezeExcite', ratio=4), after=r'layer[34]\.1'),
        backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8)))
    for operator in model.backbone.context.values():
        torch.nn.init.normal_(operator.logit_layer.weight)
    run = FORMATS[format].from_bytes(to_bytes(model, torch.zeros(1, 3, 64, 64), format))
    images = batches((128, 128), (97, 131))
    assert_same(largest_differences(part_of(model), run, images))
    for operator in model.backbone.context.values():
        operator.zero_logits()
    assert max(largest_differences(part_of(model), run, images).values()) > 1e-3


def test_boxes_come_back_in_pixels_of_the_image_file(narrow_detector):
    part = part_of(narrow_detector())
    sample = DetDataSample(metainfo=dict(scale_factor=(2.0, 0.5)))
    outputs = [torch.tensor([[10.0, 20.0, 30.0, 40.0]]), torch.tensor([0.5]), torch.tensor([3])]
    assert part.prediction(outputs, sample).pred_instances.bboxes.tolist() == [[5.0, 40.0, 15.0, 80.0]]


def changed(**model):
    cfg = Config.fromfile(se_backbones.config_path('digits/faster_rcnn_r18.py'))
    cfg.merge_from_dict(dict(model=model))
    return cfg


@pytest.mark.parametrize(('cfg', 'message'), [
    (Config.fromfile(se_backbones.config_path('digits/mask_rcnn_r18.py')), r'mask_head=.*masks are not exported'),
    (Config.fromfile(se_backbones.config_path('examples/retinanet_se_r50.py')), r"type='RetinaNet' .*two stages"),
    (Config.fromfile(se_backbones.config_path('examples/cascade_rcnn_ge_x101.py')), r"roi_head.type='CascadeRoIHead'"),
    (changed(test_cfg=dict(rcnn=dict(nms=dict(type='soft_nms')))), r'test_cfg.rcnn.nms=.*soft_nms.* class by class'),
    (changed(test_cfg=dict(rcnn=dict(nms=dict(score_threshold=0.3)))), r'test_cfg.rcnn.nms.score_threshold=0.3 cannot'),
    (changed(test_cfg=dict(rcnn=dict(max_per_img=-1))), r'test_cfg.rcnn.max_per_img=-1 cannot .*give a number'),
    (changed(test_cfg=dict(rpn=dict(nms_pre=-1))), r'test_cfg.rpn.nms_pre=-1 cannot'),
    (changed(rpn_head=dict(bbox_coder=dict(clip_border=False))), r'rpn_head.bbox_coder.clip_border=False'),
    (changed(roi_head=dict(bbox_roi_extractor=dict(roi_layer=dict(pool_mode='max')))), r'only RoIAlign that averages'),
], ids=['masks', 'one stage', 'cascade', 'soft nms', 'threshold', 'all boxes', 'all anchors', 'outside', 'max pooling'])
def test_a_detector_that_would_be_computed_otherwise_is_refused_with_the_reason(cfg, message):
    with torch.device('meta'):
        model = build_model(cfg).eval()
    with pytest.raises(ExportError, match=message):
        part_of(model)


def test_folding_leaves_no_norm_in_the_backbone(narrow_detector):
    folded = fuse_for_inference(narrow_detector())
    assert not [module for module in folded.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
