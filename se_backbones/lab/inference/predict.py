"""Predict on images, with detectors, classifiers and segmentors alike."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import mmcv
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import TRANSFORMS

from se_backbones.engine.checks.config_tree import config_scope
from se_backbones.lab.inference.loading import classes_of, tested_model, unread_dataset
from se_backbones.lab.inference.objects import class_colours, found_in
from se_backbones.lab.inference.prediction import Image, Prediction, batches_of, name_of
from se_backbones.lab.inference.reading import ImageReader
from se_backbones.lab.inference.truth import read_truth
from se_backbones.models.sizes import input_channels
from se_backbones.utils.config_types import HOSTS, host_of
from se_backbones.utils.dataset_configs import tested_dataset
from se_backbones.utils.validation import one_of, positive_int


def predict(config: str | Config, checkpoint: str, images: Iterable[Image], device: str = 'cpu',
            score_threshold: float = 0.3, batch_size: int = 1, annotations: str | Path | None = None,
            unreadable: list[str] | None = None) -> Iterator[Prediction]:
    """Yield a :class:`Prediction` for each image, as soon as its batch is done.

    It holds boxes, masks and scores of a detector, the segments of a panoptic one, five classes of a classifier, or the
    classes of a segmentor.

    Args:
        config, checkpoint: Of one model; its ``default_scope`` tells which host it belongs to.
        images: Image files, or frames; any iterable, which is read batch by batch.
        device: Such as ``'cpu'`` or ``'cuda:0'``.
        score_threshold: Objects below it are left out (detectors).
        batch_size: Images that pass through the network together.
        annotations: Of the images, for the truth beside the prediction; see :func:`read_truth`.
        unreadable: Files that are no images, or damaged, are left out and added to it; None: they are an error.

    Raises:
        ValueError: The config belongs to none of mmdet, mmpretrain and mmseg, or a file is no image.
        WeightsError: The checkpoint cannot be loaded, or does not hold the whole model.
    """
    positive_int('batch_size', batch_size)
    cfg = Config.fromfile(config) if isinstance(config, str) else config
    scope = one_of('default_scope', host_of(cfg), HOSTS)
    model, meta = tested_model(cfg, checkpoint, device)
    meta = classes_of(cfg, meta)
    names, colours = meta.get('classes'), class_colours(cfg, meta)
    truth = read_truth(annotations, names, getattr(model, 'with_mask', False),
                       **(_label_maps(cfg) if scope == 'mmseg' else {})) if annotations else None
    read = ImageReader(cfg, input_channels(model))
    for batch in batches_of(images, batch_size):
        prepared: list[tuple[Image, dict]] = []
        for image in batch:
            try:
                prepared.append((image, read(image)))
            except Exception:
                if not isinstance(image, str) or _is_image(image):
                    raise
                if unreadable is None:
                    raise ValueError(f'{image} is no image, or damaged.') from None
                unreadable.append(image)
        if not prepared:
            continue
        with config_scope(cfg), torch.no_grad():
            samples = model.test_step(pseudo_collate([data for _, data in prepared]))
        for (image, _), sample in zip(prepared, samples, strict=True):
            yield Prediction(image, found_in(sample, names, score_threshold), colours, truth and truth(name_of(image)))


def _is_image(file: str) -> bool:
    try:
        return mmcv.imread(file) is not None
    except Exception:  # OpenCV's, of an empty file
        return False


def _label_maps(cfg: Config) -> dict:
    """Return how label maps of mmseg's test set are called and read: its class may say it, and its config."""
    dataset = unread_dataset(cfg)
    with config_scope(cfg):
        load = TRANSFORMS.build(next((step for step in tested_dataset(cfg).get('pipeline', ())
                                      if 'LoadAnnotations' in str(step['type'])), dict(type='LoadAnnotations')))
    known = {name: getattr(dataset, name) for name in ('label_map', 'reduce_zero_label')}
    return dict(suffixes=(dataset.img_suffix, dataset.seg_map_suffix),
                read=lambda file: load(dict(known, seg_map_path=file, seg_fields=[]))['gt_seg_map'])
