"""Detectors: boxes, masks, and the segments of panoptic ones."""

import copy
from collections.abc import Iterable, Iterator, Sequence

import torch
from mmengine.config import Config
from mmengine.structures import PixelData

from se_backbones.lab.inference.drawing import enlarged, resized
from se_backbones.lab.inference.loading import loaded
from se_backbones.lab.inference.prediction import Image, Prediction, name_of, picture_of, source_of


def detect(cfg: Config, checkpoint: str, batches: Iterable[list[Image]], device: str,
           score_threshold: float) -> Iterator[Prediction]:
    """Yield what mmdet's ``DetInferencer`` finds; see :func:`se_backbones.lab.inference.predict`."""
    from mmdet.apis import DetInferencer
    cfg = copy.deepcopy(cfg)
    cfg.visualizer = dict(type='DetLocalVisualizer')  # mmdet asks for one, and draws with it
    inferencer = loaded(lambda: DetInferencer(cfg, checkpoint, device, show_progress=False), checkpoint)
    names = inferencer.model.dataset_meta['classes']
    for batch in batches:
        samples = inferencer([source_of(image) for image in batch], len(batch), return_datasamples=True,
                             no_save_vis=True)['predictions']
        for image, sample in zip(batch, samples, strict=True):
            yield _prediction(image, sample.cpu(), inferencer.visualizer, names, score_threshold)


def _prediction(image, sample, visualizer, names, score_threshold):
    picture = enlarged(picture_of(image))
    if 'pred_panoptic_seg' in sample:
        objects = _segments(sample.pred_panoptic_seg.sem_seg, names)
        sample.pred_panoptic_seg = PixelData(sem_seg=resized(sample.pred_panoptic_seg.sem_seg, picture))
    else:
        objects = _objects(sample.pred_instances, names, score_threshold)
        _resize_instances(sample.pred_instances, picture, sample.ori_shape)
    # mmdet cannot draw a panoptic picture without a segment.
    if objects or 'pred_instances' in sample:
        visualizer.add_datasample('', picture, sample, draw_gt=False, pred_score_thr=score_threshold)
        picture = visualizer.get_image()
    return Prediction(name_of(image), picture, objects)


def _objects(instances, names: Sequence[str], score_threshold: float) -> list[dict]:
    found = instances[instances.scores >= score_threshold]
    objects = [dict(label=names[int(label)], number=int(label), score=float(score), box=box.tolist())
               for label, score, box in zip(found.labels, found.scores, found.bboxes, strict=True)]
    if 'masks' in found:
        for entry, mask in zip(objects, found.masks, strict=True):
            entry['mask'] = mask.bool().numpy()
    return objects


def _segments(numbers: torch.Tensor, names: Sequence[str]) -> list[dict]:
    """Return the segments of a panoptic map ``(1, H, W)``, the largest first.

    mmdet numbers a segment as its class plus 1000 times its instance; the number of classes stands for none.
    """
    found = zip(*numbers.unique(return_counts=True), strict=True)
    return by_size([(int(number) % 1000, int(count) / numbers.numel()) for number, count in found
                    if int(number) % 1000 < len(names)], names)


def by_size(parts: Iterable[tuple[int, float]], names: Sequence[str]) -> list[dict]:
    """Return ``(number of a class, part of the image)`` pairs as objects, the largest first."""
    return [dict(label=names[number], number=number, score=part)
            for number, part in sorted(parts, key=lambda entry: -entry[1])]


def _resize_instances(instances, picture, shape: tuple[int, int]) -> None:
    instances.bboxes = instances.bboxes * (picture.shape[1] / shape[1])
    if 'masks' in instances:
        instances.masks = resized(instances.masks, picture)
