"""Image files and frames, prepared as the images of a config's test set are."""

from collections.abc import Iterable
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from torch import Tensor

from se_backbones.engine.checks.config_tree import config_scope
from se_backbones.lab.inference.prediction import Frame, Image, name_of
from se_backbones.utils.dataset_configs import tested_dataset


class ImageReader:
    """Reads images that belong to no dataset through the pipeline that a config's network is tested with.

    The pipeline's own step reads the files. Where it has none, as for mmpretrain's CIFAR and MNIST, whose images are in
    memory, files are made into what these are: RGB, or grey.

    Args:
        cfg: The whole config.
        channels: Of the network's input.
    """

    def __init__(self, cfg: Config, channels: int):
        with config_scope(cfg):
            # A file by itself has no annotations.
            steps = [TRANSFORMS.build(step) for step in tested_dataset(cfg).pipeline
                     if 'Annotations' not in str(step['type'])]
        self._load = next(filter(_loads_images, steps), None)
        self._steps = [step for step in steps if step is not self._load]
        self._grey = channels == 1

    def __call__(self, image: Image) -> dict[str, Any]:
        """Return ``dict(inputs=..., data_samples=...)`` of one image; in batches: ``pseudo_collate`` of them.

        Raises:
            Exception: The file is no image; each reader has errors of its own.
        """
        data = dict(img_path=name_of(image), img_id=0)
        if self._load is not None and not isinstance(image, Frame):
            data = self._load(data)
        else:
            data.update(img=(pixels := self._pixels(image)), img_shape=pixels.shape[:2], ori_shape=pixels.shape[:2])
        for step in self._steps:
            data = step(data)
        return data

    def _pixels(self, image: Image) -> np.ndarray:
        pixels = image.pixels if isinstance(image, Frame) else mmcv.imread(image)
        if self._grey:
            pixels = mmcv.bgr2gray(pixels)
        elif self._load is None:
            pixels = mmcv.bgr2rgb(pixels)
        return pixels.astype(np.float32) if getattr(self._load, 'to_float32', False) else pixels


def transforms_of(dataset: Any) -> tuple:
    """Return the steps of the pipeline of a dataset, or of the first one in a wrapper or a loader; else none."""
    while hasattr(dataset, 'dataset') or getattr(dataset, 'datasets', None):  # of several, they are alike
        dataset = dataset.dataset if hasattr(dataset, 'dataset') else dataset.datasets[0]
    return tuple(getattr(getattr(dataset, 'pipeline', None), 'transforms', ()))


def channel_order(transforms: Iterable[Any], channels: int) -> str:
    """Return the order in which a pipeline's images leave it.

    Args:
        transforms: Of the pipeline, see :func:`transforms_of`.
        channels: Of an image.

    Returns:
        str: ``'gray'``; ``'bgr'`` of images that the pipeline loads, as OpenCV does, or ``'rgb'`` of those of a dataset
        in memory, such as mmpretrain's CIFAR; exchanged by each step with ``to_rgb`` or ``to_bgr``.
    """
    if channels == 1:
        return 'gray'
    transforms = list(transforms)
    swapped = sum(bool(getattr(step, name, False)) for step in transforms for name in ('to_rgb', 'to_bgr'))
    loaded = not transforms or any(map(_loads_images, transforms))
    return 'bgr' if loaded == (swapped % 2 == 0) else 'rgb'


def rgb(image: Tensor, transforms: Iterable[Any]) -> np.ndarray:
    """Return an image as it leaves a pipeline, ``(C, H, W)``, as a picture to draw on, ``(H, W, 3)``."""
    transforms = list(transforms)
    for step in transforms:
        if type(step).__name__ == 'Normalize':  # after which the data preprocessor does nothing
            mean, std = (torch.as_tensor(value).float().view(-1, 1, 1) for value in (step.mean, step.std))
            image = (image * std + mean).round().clamp(0, 255).to(torch.uint8)
    order = channel_order(transforms, image.shape[0])
    image = image.expand(3, -1, -1) if order == 'gray' else image.flip(0) if order == 'bgr' else image
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def _loads_images(transform: Any) -> bool:
    name = type(transform).__name__
    return any(word in name for word in ('Load', 'Read')) and 'Annotations' not in name
