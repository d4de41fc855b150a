"""Predict on images with the hosts' inferencers, for detectors, classifiers and segmentors alike."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.registry import DefaultScope, init_default_scope
from torch import Tensor

from se_backbones.lab.inference.loading import loaded
from se_backbones.lab.inference.prediction import Image, Prediction, batches_of, source_of
from se_backbones.utils.config_types import HOSTS, host_of
from se_backbones.utils.validation import one_of, positive_int

BEST = 5  # classes of a classifier
# mmdet's and mmseg's inferencers want one, though nothing is drawn with it.
VISUALIZERS = {'mmdet': 'DetLocalVisualizer', 'mmseg': 'SegLocalVisualizer'}


def predict(config: str | Config, checkpoint: str, images: Iterable[Image], device: str = 'cpu',
            score_threshold: float = 0.3, batch_size: int = 1) -> Iterator[Prediction]:
    """Yield a :class:`Prediction` for each image, as soon as its batch is done.

    It holds boxes, masks and scores of a detector, the segments of a panoptic one, five classes of a classifier, or the
    classes of a segmentor.

    Args:
        config, checkpoint: Of one model; its ``default_scope`` tells which host it belongs to.
        images: Image files, or frames; any iterable, which is read batch by batch.
        device: Such as ``'cpu'`` or ``'cuda:0'``.
        score_threshold: Objects below it are left out (detectors).
        batch_size: Images that pass through the network together.

    Raises:
        ValueError: The config belongs to none of mmdet, mmpretrain and mmseg.
        WeightsError: The checkpoint cannot be loaded, or does not hold the whole model.
    """
    positive_int('batch_size', batch_size)
    cfg = Config.fromfile(config) if isinstance(config, str) else config
    scope = one_of('default_scope', host_of(cfg), HOSTS)
    # The hosts leave their scope behind, in which another one's next model would not be found.
    before = DefaultScope.get_current_instance()
    try:
        init_default_scope(scope)
        inferencer = _inferencer(scope, cfg, checkpoint, device)
        meta = getattr(inferencer.model, 'dataset_meta', None) or {}
        names = inferencer.classes if scope == 'mmpretrain' else meta['classes']
        for batch in batches_of(images, batch_size):
            # Not the inferencers' own calls: they show progress for each batch, draw, and return the hosts' JSON.
            data = next(iter(inferencer.preprocess([source_of(image) for image in batch], len(batch))))
            samples = inferencer.forward(data if isinstance(data, dict) else data[-1])  # mmdet puts the images before
            for image, sample in zip(batch, samples, strict=True):
                yield Prediction(image, _objects(sample.cpu(), names, score_threshold), meta.get('palette'))
    finally:
        if before is not None:
            init_default_scope(before.scope_name)


def _inferencer(scope: str, cfg: Config, checkpoint: str, device: str) -> BaseInferencer:
    cfg = copy.deepcopy(cfg)  # the inferencers empty the weights' source and the pipeline in it
    if scope in VISUALIZERS:
        cfg.visualizer = dict(type=VISUALIZERS[scope])
    if scope == 'mmdet':
        from mmdet.apis import DetInferencer as Inferencer
    elif scope == 'mmseg':
        from mmseg.apis import MMSegInferencer as Inferencer
    else:
        from mmpretrain import ImageClassificationInferencer as Inferencer
    return loaded(lambda: Inferencer(cfg, checkpoint, device=device), checkpoint)


def _objects(sample: Any, names: Sequence[str] | None, score_threshold: float) -> list[dict]:
    """Return what a data sample of a host says, as :class:`Prediction` lists it."""
    if 'pred_panoptic_seg' in sample:
        # mmdet numbers a segment as its class plus 1000 times its instance; the number of classes stands for none.
        found = _segments(sample.pred_panoptic_seg.sem_seg[0])
        return [dict(entry, label=names[entry['number'] % 1000], number=entry['number'] % 1000) for entry in found
                if entry['number'] % 1000 < len(names)]
    if 'pred_sem_seg' in sample:
        return [dict(entry, label=names[entry['number']]) for entry in _segments(sample.pred_sem_seg.data[0])]
    if 'pred_instances' in sample:
        found = sample.pred_instances[sample.pred_instances.scores >= score_threshold]
        masks = [dict(mask=mask.bool().numpy()) for mask in found.masks] if 'masks' in found else [{}] * len(found)
        return [dict(label=names[int(label)], number=int(label), score=float(score), box=box.tolist(), **mask)
                for label, score, box, mask in zip(found.labels, found.scores, found.bboxes, masks, strict=True)]
    scores, order = sample.pred_score.sort(descending=True)
    return [dict(label=names[k] if names else str(k), number=k, score=score)
            for k, score in zip(order[:BEST].tolist(), scores.tolist(), strict=False)]


def _segments(numbers: Tensor) -> list[dict]:
    """Return number, part of the image, and mask of each segment of a map ``(H, W)``, the largest first."""
    parts = [(int(number), int(count) / numbers.numel())
             for number, count in zip(*numbers.unique(return_counts=True), strict=True)]
    return [dict(number=number, score=part, mask=(numbers == number).numpy())
            for number, part in sorted(parts, key=lambda entry: -entry[1])]
