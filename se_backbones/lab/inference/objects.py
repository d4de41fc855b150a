"""What the hosts' data samples say, found or true, as plain data: see :class:`Prediction`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor

from se_backbones.lab.pictures.colours import palette
from se_backbones.utils.config_types import host_of
from se_backbones.utils.dataset_configs import innermost_datasets

BEST = 5  # classes of a classifier


def found_in(sample: Any, names: Sequence[str] | None, score_threshold: float = 0.3) -> list[dict]:
    """Return what a network found: the objects of a detector, the segments or classes of the others, best first."""
    if 'pred_panoptic_seg' in sample:
        # mmdet numbers a segment as its class plus 1000 times its instance; the number of classes stands for none.
        return segments(sample.pred_panoptic_seg.sem_seg[0], names, per_class=1000)
    if 'pred_sem_seg' in sample:
        return segments(sample.pred_sem_seg.data[0], names)
    if 'pred_instances' in sample:
        found = sample.pred_instances
        order = found.scores.argsort(descending=True)
        return _instances(found[order[found.scores[order] >= score_threshold]], names)
    scores, order = sample.pred_score.sort(descending=True)
    return [dict(label=_name(names, k), number=k, score=score)
            for k, score in zip(order[:BEST].tolist(), scores.tolist(), strict=False)]


def truth_in(sample: Any, names: Sequence[str] | None) -> list[dict] | None:
    """Return what is annotated, in the same form, objects and classes without scores; None: nothing was loaded."""
    if 'gt_sem_seg' in sample and 'data' in sample.gt_sem_seg:
        return segments(sample.gt_sem_seg.data[0], names)
    if 'gt_instances' in sample and 'labels' in sample.gt_instances:
        # Boxes alone beside what finds boxes alone.
        masks = 'masks' in sample.get('pred_instances', sample.gt_instances)
        return _instances(sample.gt_instances, names, masks)
    if 'gt_label' in sample:
        return [dict(label=_name(names, k), number=k) for k in sample.gt_label.flatten().tolist()]
    return None


def class_colours(cfg: Config, meta: dict) -> list | None:
    """Return the RGB colours of the classes: the config's own, those that mmseg's datasets are known by, or ours.

    None: nobody knows how many classes there are. mmdet's datasets bring COCO's colours for any classes, of which the
    first ones are the same dark blue to most readers.
    """
    count = len(meta.get('classes') or ())
    loaders = (cfg.get(f'{split}_dataloader') for split in ('test', 'val', 'train'))
    named = [(dataset.get('metainfo') or {}).get('palette') for loader in loaders
             for _, dataset in innermost_datasets(loader)]
    if host_of(cfg) == 'mmseg':
        named.append(meta.get('palette'))
    chosen = [colours for colours in named if isinstance(colours, (list, tuple)) and len(colours) == count]
    return [tuple(colour) for colour in chosen[0]] if chosen and count else palette(count) or None


def _name(names: Sequence[str] | None, number: int) -> str:
    return names[number] if names else str(number)


def _instances(found: Any, names: Sequence[str] | None, masks: bool = True) -> list[dict]:
    found = found.cpu()
    boxes = getattr(found.bboxes, 'tensor', found.bboxes).tolist()  # mmdet's transforms work on boxes of its own
    objects = [dict(label=_name(names, label), number=label, box=box)
               for label, box in zip(found.labels.tolist(), boxes, strict=True)]
    for one, score in zip(objects, found.get('scores', ()), strict=False):
        one['score'] = float(score)
    shapes = found.get('masks') if masks else None
    if shapes is not None:
        # mmdet's transforms work on bitmaps and polygons of its own.
        shapes = shapes.to_ndarray() if hasattr(shapes, 'to_ndarray') else shapes.numpy()
        for one, shape in zip(objects, shapes, strict=True):
            one['mask'] = np.asarray(shape, bool)
    return objects


def segments(numbers: Tensor, names: Sequence[str] | None, per_class: int | None = None) -> list[dict]:
    """Return class, part of the image, and mask of each segment of a map ``(H, W)``, the largest first.

    Numbers that are not a class, as those that are ignored, are left out.
    """
    numbers = numbers.cpu()
    parts = [(int(number), int(count) / numbers.numel())
             for number, count in zip(*numbers.unique(return_counts=True), strict=True)]
    classes = {number: number % per_class if per_class else number for number, _ in parts}
    count = len(names) if names else 255  # which stands for no class
    return [dict(label=_name(names, classes[number]), number=classes[number], score=part,
                 mask=(numbers == number).numpy())
            for number, part in sorted(parts, key=lambda entry: -entry[1]) if classes[number] < count]
