"""Predict on images with the hosts' inferencers, for detectors, classifiers and segmentors alike."""

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path

import mmcv
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, TRANSFORMS, DefaultScope, init_default_scope

from se_backbones.lab.inference.loading import loaded
from se_backbones.lab.inference.objects import class_colours, found_in
from se_backbones.lab.inference.prediction import Image, Prediction, batches_of, name_of, source_of
from se_backbones.lab.inference.truth import read_truth
from se_backbones.utils.asides import WithoutAsides
from se_backbones.utils.config_types import HOSTS, host_of
from se_backbones.utils.dataset_configs import tested_dataset
from se_backbones.utils.validation import one_of, positive_int

# mmdet's and mmseg's inferencers want one, though nothing is drawn with it.
VISUALIZERS = {'mmdet': 'DetLocalVisualizer', 'mmseg': 'SegLocalVisualizer'}


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
    # The hosts leave their scope behind, in which another one's next model would not be found.
    before = DefaultScope.get_current_instance()
    logger, quiet = MMLogger.get_current_instance(), WithoutAsides()
    logger.addFilter(quiet)
    try:
        init_default_scope(scope)
        inferencer = _inferencer(scope, cfg, checkpoint, device)
        meta = getattr(inferencer.model, 'dataset_meta', None) or {}
        names = inferencer.classes if scope == 'mmpretrain' else meta['classes']
        colours = class_colours(cfg, {**meta, 'classes': names})
        truth = read_truth(annotations, names, getattr(inferencer.model, 'with_mask', False),
                           **(_label_maps(cfg) if scope == 'mmseg' else {})) if annotations else None

        def prepared(batch):
            # Not the inferencers' own calls: they show progress for each batch, draw, and return the hosts' JSON.
            return next(iter(inferencer.preprocess([source_of(image) for image in batch], len(batch))))
        for batch in batches_of(images, batch_size):
            try:
                data = prepared(batch)
            except Exception:
                broken = [image for image in batch if isinstance(image, str) and not _is_image(image)]
                if not broken:
                    raise
                if unreadable is None:
                    raise ValueError(f'{broken[0]} is no image, or damaged.') from None
                unreadable += broken
                batch = [image for image in batch if image not in broken]
                if not batch:
                    continue
                data = prepared(batch)
            samples = inferencer.forward(data if isinstance(data, dict) else data[-1])  # mmdet puts the images before
            for image, sample in zip(batch, samples, strict=True):
                yield Prediction(image, found_in(sample, names, score_threshold), colours,
                                 truth and truth(name_of(image)))
    finally:
        logger.removeFilter(quiet)
        if before is not None:
            init_default_scope(before.scope_name)


def _is_image(file: str) -> bool:
    try:
        return mmcv.imread(file) is not None
    except Exception:  # OpenCV's, of an empty file
        return False


def _label_maps(cfg: Config) -> dict:
    """Return how label maps of mmseg's test set are called and read: its class may say it, and its config."""
    config = tested_dataset(cfg)
    dataset = DATASETS.build({**config, 'pipeline': [], 'lazy_init': True})
    load = TRANSFORMS.build(next((step for step in config.get('pipeline', ())
                                  if 'LoadAnnotations' in str(step['type'])), dict(type='LoadAnnotations')))
    known = {name: getattr(dataset, name) for name in ('label_map', 'reduce_zero_label')}
    return dict(suffixes=(dataset.img_suffix, dataset.seg_map_suffix),
                read=lambda file: load(dict(known, seg_map_path=file, seg_fields=[]))['gt_seg_map'])


def _inferencer(scope: str, cfg: Config, checkpoint: str, device: str) -> BaseInferencer:
    cfg = copy.deepcopy(cfg)  # the inferencers empty the weights' source and the pipeline in it
    # They look for the pipeline in the test set itself.
    cfg.test_dataloader = dict(dataset=tested_dataset(cfg))
    if scope in VISUALIZERS:
        cfg.visualizer = dict(type=VISUALIZERS[scope])
    if scope == 'mmdet':
        from mmdet.apis import DetInferencer as Inferencer
    elif scope == 'mmseg':
        from mmseg.apis import MMSegInferencer as Inferencer
    else:
        from mmpretrain import ImageClassificationInferencer as Inferencer
    return loaded(lambda: Inferencer(cfg, checkpoint, device=device), checkpoint, cfg)
