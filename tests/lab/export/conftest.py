"""Small models as if trained, for exporting and for inference."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

import se_backbones
from helpers import as_if_trained, narrow, save_model, use_data
from se_backbones.lab.analysis.subject import Subject, silent
from se_backbones.lab.export.formats.torch_export import CAN_EXPORT
from se_backbones.lab.inference.loading import build_model


@pytest.fixture(scope='session')
def needs_format():
    """Return a function that skips the test where this PyTorch is too old for a format."""
    def check(format):
        if format != 'torchscript' and not CAN_EXPORT:
            pytest.skip(f'{format} needs PyTorch 2.6 or later')
    return check


def build_as_if_trained(cfg):
    """Return a model in which no norm is the identity and no two classes or anchors are alike, the same every time."""
    torch.manual_seed(1)  # a narrow detector that finds things
    model = as_if_trained(build_model(cfg))
    for name, module in model.named_modules():
        if name.endswith(('rpn_cls', 'rpn_reg', 'fc_cls', 'fc_reg', 'head.fc', 'conv_seg')):
            # Scores that are neither all alike nor all 1, whatever the number of channels.
            nn.init.normal_(module.weight, std=1.7 / module.weight[0].numel()**0.5 if 'cls' in name else 0.1)
    return model.eval()


def narrow_detector_cfg(name='digits/faster_rcnn_ge_r18.py', backbone=None, **test_cfg):
    """A shipped detector's config, as narrow as tests can have it."""
    if name.startswith('digits'):
        cfg = narrow(Path(name).stem)
        cfg.model.roi_head.bbox_head.fc_out_channels = 32
    else:  # on one map, with the shared head
        cfg = Config.fromfile(se_backbones.config_path(name))
        cfg.model.backbone.update(depth=(1, 1, 1, 1), base_channels=8, init_cfg=None)
        cfg.model.roi_head.shared_head.update(depth=(1, 1, 1, 1), base_channels=8, init_cfg=None)
        cfg.model.rpn_head.update(in_channels=128, feat_channels=32)
        cfg.model.roi_head.bbox_roi_extractor.out_channels = 128
        cfg.model.roi_head.bbox_head.update(in_channels=256, num_classes=10)
        cfg.model.test_cfg.rpn.update(nms_pre=300, max_per_img=60)
    cfg.model.backbone = backbone or cfg.model.backbone
    cfg.model.test_cfg.rcnn.score_thr = 0.15
    cfg.merge_from_dict(dict(model=dict(test_cfg=test_cfg)))
    return cfg


@pytest.fixture
def narrow_detector():
    """Return a function: a shipped detector, narrow, by the name of its config; keywords change its test_cfg."""
    def build(*args, **kwargs):
        return build_as_if_trained(narrow_detector_cfg(*args, **kwargs))
    return build


def narrow_segmentor_cfg(**changes):
    pytest.importorskip('mmseg', reason='mmseg is not installed (the extra [seg])')
    cfg = Config.fromfile(se_backbones.config_path('digits/fcn_ge_r18.py'))
    cfg.model.backbone.base_channels = 8
    cfg.model.decode_head.update(in_channels=[8, 16, 32, 64], channels=8)
    cfg.merge_from_dict(dict(model=changes))
    return cfg


@pytest.fixture
def narrow_segmentor():
    """Return a function: a shipped segmentor, narrow; keywords change its config."""
    return lambda **changes: build_as_if_trained(narrow_segmentor_cfg(**changes))


@pytest.fixture(scope='session')
def segmentor(scenes, tmp_path_factory):
    """Config and checkpoint of a narrow FCN with Gather-Excite on the scenes."""
    cfg = use_data(narrow_segmentor_cfg(), scenes)
    return save_model(cfg, tmp_path_factory.mktemp('segmentor'), cfg.metainfo.classes, build_as_if_trained(cfg))


@pytest.fixture(scope='session')
def detector(scenes, tmp_path_factory):
    """Config and checkpoint of a narrow Faster R-CNN with Gather-Excite on the scenes.

    What it finds is the truth of its test set: a file that finds something else measures less.
    """
    cfg, folder = use_data(narrow_detector_cfg(), scenes), tmp_path_factory.mktemp('detector')
    model = build_as_if_trained(cfg)
    truth = folder / 'what_it_finds.json'
    truth.write_text(json.dumps(found_as_truth(replace(Subject.load(cfg, None), model=model), scenes)))
    cfg.test_dataloader.dataset.ann_file = cfg.test_evaluator.ann_file = str(truth)
    return save_model(cfg, folder, cfg.classes, model)


def found_as_truth(subject, scenes):
    """Return what a detector finds in the scenes as the content of an annotation file."""
    data = json.loads((scenes / 'annotations/instances_val.json').read_text())
    samples = [sample for _, run in subject.passes(silent, '', whole=True) for sample in run()]
    found = [(sample.img_id, label, corners) for sample in samples
             for label, corners in zip(sample.pred_instances.labels.tolist(), sample.pred_instances.bboxes.tolist())]
    data['annotations'] = [
        dict(id=number, image_id=image, category_id=data['categories'][label]['id'], iscrowd=0,
             bbox=[x, y, right - x, bottom - y], area=(right - x) * (bottom - y))
        for number, (image, label, (x, y, right, bottom)) in enumerate(found, 1)]
    return data


@pytest.fixture(scope='session')
def classifier(digits, tmp_path_factory):
    """Config and checkpoint of a narrow classifier with Squeeze-and-Excitation on single digits."""
    cfg = use_data(narrow('resnet18_se'), digits)
    cfg.model.backbone.update(depth=(1, 1, 1, 1), block='basic')
    return save_model(cfg, tmp_path_factory.mktemp('classifier'), map(str, range(10)), build_as_if_trained(cfg))
