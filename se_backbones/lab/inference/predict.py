"""Predict on images and draw what was found, for detectors, classifiers and segmentors alike."""

from collections.abc import Iterable, Iterator

from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

from se_backbones.lab.inference.classification import classify
from se_backbones.lab.inference.detection import detect
from se_backbones.lab.inference.prediction import Image, Prediction, batches_of
from se_backbones.lab.inference.segmentation import segment
from se_backbones.utils.validation import positive_int

HOSTS = {'mmdet': detect, 'mmpretrain': classify, 'mmseg': segment}


def predict(config: str | Config, checkpoint: str, images: Iterable[Image], device: str = 'cpu',
            score_threshold: float = 0.3, batch_size: int = 1) -> Iterator[Prediction]:
    """Yield a :class:`Prediction` for each image, as soon as its batch is done.

    It shows boxes, masks and scores of a detector, the segments of a panoptic one, five classes of a classifier, or the
    classes of a segmentor.

    Args:
        config, checkpoint: Of one model; its ``default_scope`` tells which host it belongs to.
        images: Image files, or frames; any iterable, which is read batch by batch.
        device: Such as ``'cpu'`` or ``'cuda:0'``.
        score_threshold: Objects below it are neither drawn nor listed (detectors).
        batch_size: Images that pass through the network together.

    Raises:
        ValueError: The config belongs to none of mmdet, mmpretrain and mmseg.
    """
    positive_int('batch_size', batch_size)
    cfg = Config.fromfile(config) if isinstance(config, str) else config
    scope = cfg.get('default_scope')
    if scope not in HOSTS:
        raise ValueError(f'default_scope must be one of {", ".join(map(repr, HOSTS))} to predict, got {scope!r}.')
    # The hosts leave their scope behind, in which another one's next model would not be found.
    before = DefaultScope.get_current_instance()
    try:
        init_default_scope(scope)
        yield from HOSTS[scope](cfg, checkpoint, batches_of(images, batch_size), device, score_threshold)
    finally:
        if before is not None:
            init_default_scope(before.scope_name)
