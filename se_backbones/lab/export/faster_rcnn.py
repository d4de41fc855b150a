"""A whole Faster R-CNN, from an image to boxes, with both non-maximum suppressions inside."""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import nms, roi_align

from se_backbones.lab.export.errors import ExportError
from se_backbones.lab.export.images import Images

Size = tuple[int, int]


class FasterRCNN(nn.Module):
    """``images (1, 3, H, W)`` to ``boxes (K, 4)``, ``scores (K,)`` and ``labels (K,)``, best first.

    Boxes are ``x1 y1 x2 y2`` in pixels of the image that is fed in; K depends on the image and is at most
    ``test_cfg.rcnn.max_per_img``.

    Convolutions, anchors, box coding and the assignment of RoIs to levels are mmdet's modules. What stands here is
    mmdet's ``predict`` around them, without what exporters cannot follow: mmcv's RoIAlign and NMS, which are C++
    operators of their own (torchvision's are the same functions), and branches on how much was found.

    Args:
        model: An mmdet ``FasterRCNN`` in eval mode, with a pyramid or on one map (C4).

    Raises:
        ExportError: A part of it is of a kind that would be computed otherwise.
    """

    outputs = ('boxes', 'scores', 'labels')
    takes_batches = False

    def __init__(self, model: nn.Module):
        super().__init__()
        check(model)
        self.images = Images(model.data_preprocessor)
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        size = images.shape[-2:]
        maps = self.model.extract_feat(self.images(images))
        return self.classify(maps, *self.propose(maps, size), size)

    def propose(self, maps: tuple[Tensor, ...], size: Size) -> tuple[Tensor, Tensor]:
        """Return the RPN's proposals, ``(max_per_img, 4)``, and their scores, below zero where there is none.

        They are the best ``nms_pre`` of each level, and of these the best that are apart. Wherever fewer are found the
        rest is filled up, so that no size depends on the image.
        """
        head = self.model.rpn_head
        cfg = head.test_cfg
        logits, deltas = head(maps)
        priors = head.prior_generator.grid_priors([level.shape[-2:] for level in logits], device=maps[0].device)
        boxes, scores, levels = [], [], []
        for level, (logit, delta, prior) in enumerate(zip(logits, deltas, priors, strict=True)):
            box = head.bbox_coder.decode(prior, delta.permute(0, 2, 3, 1).reshape(-1, 4), max_shape=size)
            score, best = best_of(logit.permute(0, 2, 3, 1).flatten().sigmoid(), cfg.nms_pre)
            boxes.append(F.pad(box, (0, 0, 0, cfg.nms_pre))[best])
            scores.append(score)
            levels.append(torch.full_like(best, level))
        boxes, scores, levels = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
        # Last in their turn, small boxes push none out that is large enough.
        wide = ((boxes[:, 2:] - boxes[:, :2]) > cfg.get('min_bbox_size', -1)).all(1)
        scores = torch.where(wide, scores, -1.0)
        kept = apart(boxes, scores, levels, cfg.nms.iou_threshold, size)
        chosen = torch.zeros_like(levels).index_fill(0, kept, 1)
        scores, best = best_of(torch.where(chosen > 0, scores, -1.0), cfg.max_per_img)
        return F.pad(boxes, (0, 0, 0, cfg.max_per_img))[best], scores

    def classify(self, maps: tuple[Tensor, ...], proposals: Tensor, objectness: Tensor,
                 size: Size) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, scores and labels from the box head: all classes of all proposals, above the threshold."""
        roi_head = self.model.roi_head
        cfg, head = roi_head.test_cfg, roi_head.bbox_head
        features = pooled(roi_head.bbox_roi_extractor, maps, F.pad(proposals, (1, 0)))
        if roi_head.with_shared_head:
            features = roi_head.shared_head(features)
        logits, deltas = head(features)
        scores = torch.where(objectness[:, None] >= 0, logits.softmax(1)[:, :-1], -1.0).flatten()
        # One box for each class, or one for all.
        boxes = head.bbox_coder.decode(proposals, deltas, max_shape=size).unflatten(1, (-1, 4)).expand(
            -1, head.num_classes, 4).reshape(-1, 4)
        found = (scores > cfg.score_thr).nonzero()[:, 0]
        boxes, scores, labels = boxes[found], scores[found], found % head.num_classes
        kept = apart(boxes, scores, labels, cfg.nms.iou_threshold, size)[:cfg.max_per_img]
        return boxes[kept], scores[kept], labels[kept]

    def expected(self, batch: dict) -> list[Tensor]:
        """Return the outputs for the one image of a batch, as mmdet computes them."""
        with torch.no_grad():
            data = self.model.data_preprocessor(batch, False)
            sample, = self.model.predict(data['inputs'], data['data_samples'], rescale=False)
        found = sample.pred_instances
        return [found.bboxes, found.scores, found.labels]

    @staticmethod
    def prediction(outputs: list[Tensor], sample: Any) -> Any:
        """Put the outputs for one image into its data sample, in pixels of the image file, as ``test_step`` does."""
        boxes, scores, labels = outputs
        scale = boxes.new_tensor(sample.metainfo.get('scale_factor', (1, 1))).repeat(2)
        sample.pred_instances = InstanceData(bboxes=boxes / scale, scores=scores, labels=labels)
        return sample


def apart(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float, size: Size) -> Tensor:
    """Return the indices of the boxes that non-maximum suppression leaves in each group, best first.

    Groups are moved beside each other, by more than the image's width each, so that one suppression does for all.
    """
    boxes = boxes + (groups * (size[1] + 1))[:, None]
    # torchvision tells exporters that at least two boxes are left. Two outside of the image make it true.
    outside = boxes.new_tensor([[-2, -2, -1, -1], [-4, -4, -3, -3]])
    kept = nms(torch.cat([boxes, outside]), torch.cat([scores, scores.new_full((2,), -2.0)]), threshold)
    return kept[kept < boxes.shape[0]]


def best_of(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the ``count`` best scores and their indices; where there are fewer, -1 and indices behind the end."""
    return F.pad(scores, (0, count), value=-1.0).topk(count)


def pooled(extractor: nn.Module, maps: tuple[Tensor, ...], rois: Tensor) -> Tensor:
    """Return the features of RoIs ``(P, 5)`` from the level that each belongs to, ``(P, C, h, w)``."""
    level_of = extractor.map_roi_levels(rois, len(extractor.roi_layers))
    features = []
    for level, layer in enumerate(extractor.roi_layers):
        here = (level_of == level).to(rois.dtype)[:, None]
        # RoIs of other levels shrink to a point, which costs nothing where the number of samples follows their size.
        found = roi_align(maps[level], rois * here, layer.output_size, layer.spatial_scale, layer.sampling_ratio,
                          layer.aligned)
        features.append(found * here[:, :, None, None])
    return torch.stack(features).sum(0)


def check(model: nn.Module) -> None:
    """Raise ExportError for a detector that :class:`FasterRCNN` would compute otherwise than mmdet does."""
    from mmdet.models import RPNHead, SingleRoIExtractor, StandardRoIHead, TwoStageDetector
    if not isinstance(model, TwoStageDetector):
        _refuse('type', model, 'not a detector of two stages')
    rpn, roi = model.rpn_head, model.roi_head
    if type(rpn) is not RPNHead:
        _refuse('rpn_head.type', rpn, "not the 'RPNHead' of Faster R-CNN")
    if type(roi) is not StandardRoIHead:
        _refuse('roi_head.type', roi, "not the 'StandardRoIHead' of Faster R-CNN")
    if roi.with_mask:
        _refuse('roi_head.mask_head', roi.mask_head, 'masks are not exported')
    extractor, head = roi.bbox_roi_extractor, roi.bbox_head
    if type(extractor) is not SingleRoIExtractor:
        _refuse('roi_head.bbox_roi_extractor.type', extractor, 'each RoI must belong to one level')
    for layer in extractor.roi_layers:
        if type(layer).__name__ != 'RoIAlign' or layer.pool_mode != 'avg':
            _refuse('roi_head.bbox_roi_extractor.roi_layer', layer, 'only RoIAlign that averages can be exported')
    for key, part in (('rpn_head', rpn), ('roi_head.bbox_head', head)):
        if type(part.bbox_coder).__name__ != 'DeltaXYWHBBoxCoder':
            _refuse(f'{key}.bbox_coder.type', part.bbox_coder, 'only DeltaXYWHBBoxCoder is known')
        if not part.bbox_coder.clip_border:
            raise ExportError(f'model.{key}.bbox_coder.clip_border=False cannot be exported.')
    if head.custom_cls_channels or not rpn.use_sigmoid_cls:
        _refuse('roi_head.bbox_head.loss_cls', head.loss_cls, 'scores must be a sigmoid (RPN) and a softmax (RoI head)')
    for key, cfg in (('rpn', rpn.test_cfg), ('rcnn', roi.test_cfg)):
        for name in ('nms_pre', 'max_per_img'):
            if cfg.get(name, 1) < 1:
                raise ExportError(f'model.test_cfg.{key}.{name}={cfg[name]} cannot be exported: give a number.')
        for name in cfg.nms:
            if name not in ('type', 'iou_threshold', 'split_thr', 'class_agnostic'):
                raise ExportError(f'model.test_cfg.{key}.nms.{name}={cfg.nms[name]} cannot be exported.')
        if cfg.nms.get('type', 'nms') != 'nms' or cfg.nms.get('class_agnostic'):
            raise ExportError(f'model.test_cfg.{key}.nms={dict(cfg.nms)} cannot be exported: only nms class by class.')


def _refuse(key: str, part: nn.Module, reason: str) -> None:
    raise ExportError(f'model.{key}={type(part).__name__!r} cannot be exported as a whole: {reason}. '
                      "Its backbone and neck can be: part='features'.")
