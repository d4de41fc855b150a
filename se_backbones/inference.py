"""Predict on image files and draw what was found, for detectors, classifiers and segmentors alike."""

import copy
import os.path as osp
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mmcv
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.structures import PixelData

from se_backbones.weights.guard import no_code_from_checkpoints


@dataclass
class Prediction:
    """What a model says of one image.

    Attributes:
        image: The file.
        drawn: The picture with the predictions in it, ``(H, W, 3)`` uint8, RGB.
        objects: Per object or class, best first: ``dict(label=..., score=..., [box=[x1, y1, x2, y2] in pixels])``. The
            score of a segmentor's class is the part of the image that it covers.
    """

    image: str
    drawn: np.ndarray
    objects: list[dict] = field(default_factory=list)


def predict(config: str | Config, checkpoint: str, images: Iterable[str], device: str = 'cpu',
            score_threshold: float = 0.3) -> Iterator[Prediction]:
    """Yield a :class:`Prediction` for each image.

    It shows boxes, masks and scores of a detector, the segments of a panoptic one, five classes of a classifier, or the
    classes of a segmentor.

    Args:
        config, checkpoint: Of one model; its ``default_scope`` tells which host it belongs to.
        images: Image files.
        device: Such as ``'cpu'`` or ``'cuda:0'``.
        score_threshold: Objects below it are neither drawn nor listed (detectors).

    Raises:
        ValueError: The config belongs to none of mmdet, mmpretrain and mmseg.
    """
    cfg = Config.fromfile(config) if isinstance(config, str) else config
    scope = cfg.get('default_scope')
    hosts = {'mmdet': _detect, 'mmpretrain': _classify, 'mmseg': _segment}
    if scope not in hosts:
        raise ValueError(f'default_scope must be one of {", ".join(map(repr, hosts))} to predict, got {scope!r}.')
    # The hosts leave their scope behind, in which another one's next model would not be found.
    before = DefaultScope.get_current_instance()
    try:
        init_default_scope(scope)
        yield from hosts[scope](cfg, checkpoint, images, device, score_threshold)
    finally:
        if before is not None:
            init_default_scope(before.scope_name)


def _detect(cfg, checkpoint, images, device, score_threshold):
    from mmdet.apis import inference_detector, init_detector
    from mmdet.registry import VISUALIZERS
    with no_code_from_checkpoints():
        model = init_detector(cfg, checkpoint, device=device)
    visualizer = VISUALIZERS.build(dict(type='DetLocalVisualizer', name=f'infer-{id(model)}'))
    visualizer.dataset_meta = model.dataset_meta
    names = model.dataset_meta['classes']
    for path in images:
        sample = inference_detector(model, path).cpu()
        picture = _enlarged(mmcv.imread(path, channel_order='rgb'))
        if 'pred_panoptic_seg' in sample:
            objects = _segments(sample.pred_panoptic_seg.sem_seg, names)
            sample.pred_panoptic_seg = PixelData(sem_seg=_resized(sample.pred_panoptic_seg.sem_seg, picture))
        else:
            found = sample.pred_instances[sample.pred_instances.scores >= score_threshold].numpy()
            objects = [dict(label=names[label], score=float(score), box=[float(edge) for edge in box])
                       for label, score, box in zip(found.labels, found.scores, found.bboxes, strict=True)]
            _resize_instances(sample.pred_instances, picture, sample.ori_shape)
        # mmdet cannot draw a panoptic picture without a segment.
        if objects or 'pred_instances' in sample:
            visualizer.add_datasample('', picture, sample, draw_gt=False, pred_score_thr=score_threshold)
            picture = visualizer.get_image()
        yield Prediction(path, picture, objects)


def _segments(numbers: torch.Tensor, names: Sequence[str]) -> list[dict]:
    """Return the segments of a panoptic map ``(1, H, W)``, the largest first.

    mmdet numbers a segment as its class plus 1000 times its instance; the number of classes stands for none.
    """
    found = zip(*numbers.unique(return_counts=True), strict=True)
    return _by_size([(names[int(number) % 1000], int(count) / numbers.numel()) for number, count in found
                     if int(number) % 1000 < len(names)])


def _by_size(parts: Iterable[tuple[str, float]]) -> list[dict]:
    return [dict(label=label, score=part) for label, part in sorted(parts, key=lambda entry: -entry[1])]


def _enlarged(picture: np.ndarray, side: int = 384) -> np.ndarray:
    """Return a small picture at ``side`` pixels: at 128 the labels would cover what was found."""
    return mmcv.imrescale(picture, max(1.0, side / max(picture.shape[:2])), interpolation='bicubic')


def _resized(maps: torch.Tensor, picture: np.ndarray) -> torch.Tensor:
    """Return ``(N, h, w)`` maps of numbers or masks at the picture's size, without mixing neighbours."""
    if not len(maps):
        return maps.new_zeros(0, *picture.shape[:2])
    return F.interpolate(maps[None].double(), picture.shape[:2], mode='nearest-exact')[0].to(maps.dtype)


def _resize_instances(instances, picture: np.ndarray, shape: tuple[int, int]) -> None:
    instances.bboxes = instances.bboxes * (picture.shape[1] / shape[1])
    if 'masks' in instances:
        instances.masks = _resized(instances.masks, picture)


def _segment(cfg, checkpoint, images, device, score_threshold):
    from mmseg.apis import inference_model, init_model
    from mmseg.registry import VISUALIZERS
    with no_code_from_checkpoints():
        # mmseg empties the weights' source and the pipeline in the config that it is given.
        model = init_model(copy.deepcopy(cfg), checkpoint, device=device)
    visualizer = VISUALIZERS.build(dict(type='SegLocalVisualizer', name=f'infer-{id(model)}', alpha=0.5))
    visualizer.dataset_meta = model.dataset_meta
    names = model.dataset_meta['classes']
    for path in images:
        sample = inference_model(model, path).cpu()
        labels = sample.pred_sem_seg.data
        objects = _by_size([(names[int(label)], int(count) / labels.numel())
                            for label, count in zip(*labels.unique(return_counts=True), strict=True)])
        picture = _enlarged(mmcv.imread(path, channel_order='rgb'))
        sample.pred_sem_seg = PixelData(data=_resized(labels, picture))
        visualizer.add_datasample('', picture, sample, draw_gt=False)
        yield Prediction(path, visualizer.get_image(), objects)


def _classify(cfg, checkpoint, images, device, score_threshold):
    import cv2
    from mmpretrain import ImageClassificationInferencer
    with no_code_from_checkpoints():
        inferencer = ImageClassificationInferencer(cfg, pretrained=checkpoint, device=device)
    names = inferencer.classes
    for path in images:
        scores = inferencer(path)[0]['pred_scores']
        best = np.argsort(scores)[::-1][:5]
        objects = [dict(label=names[k] if names else str(k), score=float(scores[k])) for k in best]
        picture = mmcv.imread(path, channel_order='rgb')
        picture = mmcv.imrescale(picture, max(1.0, 224 / max(picture.shape[:2])))
        rows = np.full((18 * len(objects) + 8, picture.shape[1], 3), 255, np.uint8)
        for row, found in enumerate(objects):
            cv2.putText(rows, f'{found["score"]:.3f} {found["label"]}', (6, 18 * row + 18), cv2.FONT_HERSHEY_SIMPLEX,
                        0.45, (0, 0, 0), 1, cv2.LINE_AA)
        yield Prediction(path, np.vstack([picture, rows]), objects)


def drawn_file(prediction: Prediction, folder: str | Path) -> Path:
    """Write the drawn picture into ``folder`` under the image's name, never over the image itself; return its path."""
    path = Path(folder) / f'{Path(prediction.image).stem}.png'
    if osp.abspath(path) == osp.abspath(prediction.image):
        path = path.with_stem(f'{path.stem}_predicted')
    mmcv.imwrite(prediction.drawn[..., ::-1], str(path))
    return path


def contact_sheet(predictions: Iterable[Prediction], file: str | Path, columns: int = 4, side: int = 384) -> Path:
    """Write the drawn pictures as one sheet of ``columns`` columns and return the file.

    Args:
        predictions: At least one.
        file: The PNG to write.
        columns: Pictures side by side.
        side: Each picture's longer side in pixels.
    """
    cells = []
    for prediction in predictions:
        picture = mmcv.imrescale(prediction.drawn, (side, side), interpolation='area')
        cells.append(mmcv.impad(picture, shape=(side, side), pad_val=255))
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % columns)
    rows = [np.hstack(cells[start:start + columns]) for start in range(0, len(cells), columns)]
    mmcv.imwrite(np.vstack(rows)[..., ::-1], str(file))
    return Path(file)
