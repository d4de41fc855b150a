"""A trained network together with the images that it is analysed on."""

import contextlib
import copy
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Subset

from se_backbones.engine.checks.config_tree import config_scope
from se_backbones.engine.checks.heads import check_trained_order
from se_backbones.lab.inference.loading import tested_model
from se_backbones.lab.inference.reading import ImageReader
from se_backbones.models.sizes import input_channels
from se_backbones.utils.validation import did_you_mean, first_few, positive_int

# Called as `progress(iterable, description)`, as rich.progress.track is.
Progress = Callable[[Iterable, str], Iterable]
# What stands for a network's quality where a user does not say it, the first that is measured.
METRICS = ('accuracy/top1', 'coco/bbox_mAP', 'coco/segm_mAP', 'pascal_voc/mAP', 'mIoU')


def silent(iterable: Iterable, description: str = '') -> Iterable:
    """Return ``iterable``: no progress is shown."""
    return iterable


def evenly_spaced(total: int, count: int | None) -> list[int]:
    """Return ``count`` evenly spaced indices, from the first to the last; all if there are no more."""
    if count is None or count >= total:
        return list(range(total))
    return np.linspace(0, total - 1, count).round().astype(int).tolist()


class Some(Subset):
    """Some images of a dataset of mmengine, or of a wrapper, which have no subsets of their own."""

    @property
    def metainfo(self) -> dict:
        return self.dataset.metainfo

    def get_data_info(self, index: int) -> dict:
        return self.dataset.get_data_info(self.indices[index])


@dataclass
class Subject:
    """What the analyses look at.

    Attributes:
        model: A classifier, detector or segmentor with a ``data_preprocessor`` and a ``backbone``.
        batches: What a data loader yields, ``dict(inputs=..., data_samples=...)``; gone through once per pass.
        classes: Names of the classes, by label; one that stands twice (ImageNet's two cranes) gets its label behind it.
        cfg: The whole config; needed to evaluate and to read image files.
    """

    model: nn.Module
    batches: Iterable[dict]
    classes: Sequence[str] = ()
    cfg: Config | None = None
    _evaluator: Evaluator | None = field(default=None, repr=False)

    def __post_init__(self):
        times = Counter(self.classes)
        self.classes = tuple(f'{name} ({label})' if times[name] > 1 else name
                             for label, name in enumerate(self.classes))

    @classmethod
    def load(cls, cfg: Config, checkpoint: str | None, device: str = 'cpu', max_images: int | None = None) -> 'Subject':
        """Build the model of a config, load its weights, and open its test set.

        Args:
            cfg: The whole config.
            checkpoint: File or URL of its weights; None: the model stays as it was initialised.
            device: Such as ``'cpu'`` or ``'cuda:0'``.
            max_images: Look at this many images, spaced evenly over the test set; None: at all.

        Raises:
            ValueError: The checkpoint belongs to another network, its classes are those of the test set in another
                order, or the test set is empty.
            WeightsError: The checkpoint cannot be loaded; no code of it is run.
        """
        model, meta = tested_model(cfg, checkpoint, device)
        loop = 'test' if cfg.get('test_dataloader') else 'val'
        check_trained_order(cfg, (loop,), meta, str(checkpoint))
        loader = copy.deepcopy(dict(cfg[f'{loop}_dataloader']))
        with config_scope(cfg), contextlib.redirect_stdout(io.StringIO()):  # pycocotools says that it reads a file
            dataset = DATASETS.build(loader['dataset'])
            if len(dataset) == 0:
                raise ValueError(f'The test set of this config ({type(dataset).__name__}) is empty: its annotations '
                                 'hold no image that the config keeps.')
            if max_images is not None and positive_int('max_images', max_images) < len(dataset):
                # Before the loader is built, whose sampler counts the images once.
                dataset = Some(dataset, evenly_spaced(len(dataset), max_images))
            loader = Runner.build_dataloader({**loader, 'dataset': dataset}, seed=0)
        return cls(model, loader, tuple(dataset.metainfo.get('classes') or ()), cfg)

    def run(self, batch: dict, whole: bool = False) -> Any:
        """Pass a batch through the backbone, or through the whole model and return its predictions."""
        with torch.no_grad():
            if whole:
                return self.model.test_step(batch)
            return self.model.backbone(self.model.data_preprocessor(batch, False)['inputs'])

    def passes(self, progress: Progress, description: str, whole: bool = False) -> Iterator[tuple[dict, Callable]]:
        """Yield each batch and the function that runs it, in eval mode.

        Raises:
            ValueError: There is no batch.
        """
        self.model.eval()
        empty = True
        for batch in progress(self.batches, description):
            empty = False
            yield batch, lambda batch=batch: self.run(batch, whole)
        if empty:
            raise ValueError('There are no images to analyse: the dataset is empty.')

    def labels_of(self, names: Iterable[str | int]) -> dict[str, int]:
        """Return ``{class: label}`` of classes given by name or by label.

        Raises:
            ValueError: There is no such class.
        """
        result = {}
        for name in names:
            label = self.classes.index(name) if name in self.classes else int(name) if str(name).isdigit() else -1
            if not 0 <= label < (len(self.classes) or label + 1):
                raise ValueError(f'There is no class {name!r}; there are {first_few(self.classes, 20)} (or labels from '
                                 f'0 to {len(self.classes) - 1}).{did_you_mean(name, self.classes)}')
            result[self.classes[label] if self.classes else str(label)] = label
        return result

    def count_images(self) -> dict[str, int]:
        """Return ``{class: number of images that show it}``; no image passes through the network."""
        found = Counter(label for batch in self.batches for sample in batch['data_samples'] for label in labels(sample))
        return {name: found[label] for name, label in self.labels_of(self.classes).items()}

    def evaluate(self, progress: Progress = silent, description: str = 'evaluating') -> dict[str, float]:
        """Return what the config's ``test_evaluator`` measures on the images, but for lists with a number per class."""
        predictions = self._begin_evaluation()
        images = 0
        for batch, run in self.passes(progress, description, whole=True):
            samples = run()
            images += len(samples)
            predictions.process(samples, batch)
        # pycocotools prints its tables.
        with contextlib.redirect_stdout(io.StringIO()), config_scope(self.cfg):
            measured = predictions.evaluate(images)
        return {name: float(value) for name, value in measured.items()
                if not isinstance(value, (list, dict)) and np.size(value) == 1}

    def _begin_evaluation(self) -> Evaluator:
        if self._evaluator is None:
            if self.cfg is None:
                raise ValueError('Evaluating needs the config that the model was built from.')
            with contextlib.redirect_stdout(io.StringIO()), config_scope(self.cfg):
                self._evaluator = Evaluator(self.cfg.get('test_evaluator') or self.cfg.val_evaluator)
            self._evaluator.dataset_meta = self.batches.dataset.metainfo
            for metric in self._evaluator.metrics:
                if hasattr(metric, 'img_ids'):  # CocoMetric would count the images that were left out as missed
                    dataset = self.batches.dataset
                    metric.img_ids = [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))]
        return self._evaluator

    def read(self, image: str) -> dict:
        """Return the batch of one image file, through the config's test pipeline."""
        return pseudo_collate([ImageReader(self.cfg, input_channels(self.model))(image)])


def labels(sample: Any) -> list[int]:
    """Return the classes that an image shows: a classifier's, those of a detector's objects, or those of its pixels."""
    if 'gt_label' in sample:
        return sample.gt_label.flatten().tolist()
    if 'gt_instances' in sample and 'labels' in sample.gt_instances:
        return sorted(set(sample.gt_instances.labels.tolist()))
    if 'gt_sem_seg' in sample:
        return sample.gt_sem_seg.data.unique().tolist()  # 255, which mmseg ignores, is not a class's label
    return []


def choose_metric(metrics: dict[str, float], wanted: str | None) -> str:
    """Return ``wanted``, or the name of what best stands for a network's quality.

    Raises:
        ValueError: ``wanted`` is not measured.
    """
    if wanted is None:
        return next((name for name in METRICS if name in metrics), next(iter(metrics)))
    if wanted not in metrics:
        raise ValueError(f'metric must be one of {", ".join(metrics)}, got {wanted!r}.{did_you_mean(wanted, metrics)}')
    return wanted
