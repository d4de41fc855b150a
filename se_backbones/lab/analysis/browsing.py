"""Draw what a config's data set gives to the network, by the host library's own visualizer."""

from collections.abc import Iterator
from pathlib import Path

import mmcv
from mmengine.config import Config
from mmengine.registry import DATASETS, VISUALIZERS, DefaultScope

from se_backbones.lab.inference.drawing import write_picture
from se_backbones.utils.config_types import HOSTS, host_of
from se_backbones.utils.validation import one_of


def draw_samples(cfg: Config, split: str, folder: str | Path, number: int | None = None) -> Iterator[Path]:
    """Write the first samples of a split, after its pipeline and with their annotations, and yield each file.

    Args:
        cfg: Config of mmdet, mmpretrain or mmseg.
        split: ``'train'``, ``'val'`` or ``'test'``.
        folder: Where the PNG files go, ``00000_<name of the image>.png``.
        number: How many; None: all.

    Raises:
        ValueError: The config belongs to another library, or the split's pipeline loads no annotations.
    """
    scope = one_of('default_scope', host_of(cfg), HOSTS)
    with DefaultScope.overwrite_default_scope(scope):
        # Asking for a host's type imports all of its data sets and transforms.
        dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
        visualizer = VISUALIZERS.build({**cfg.visualizer, 'name': f'browse-{id(dataset)}', 'vis_backends': None})
    visualizer.dataset_meta = dataset.metainfo
    for index in range(len(dataset) if number is None else min(number, len(dataset))):
        packed = dataset[index]
        sample = packed['data_samples']
        # Pipelines load images as OpenCV does, BGR, whatever the network is given later.
        image = mmcv.bgr2rgb(packed['inputs'].permute(1, 2, 0).contiguous().numpy())
        name = Path(sample.get('img_path') or '').stem
        file = Path(folder) / f'{index:05d}{f"_{name}" if name else ""}.png'
        yield write_picture(_drawn(scope, visualizer, image, sample), file)


def _drawn(scope: str, visualizer, image, sample):
    if scope == 'mmpretrain':
        return visualizer.visualize_cls(image, sample, classes=visualizer.dataset_meta.get('classes'))
    if scope == 'mmdet':
        if 'gt_instances' not in sample:
            raise ValueError('The pipeline loads no annotations: add dict(type="LoadAnnotations", with_bbox=True).')
        _plain_instances(sample)
    visualizer.add_datasample('', image, sample, draw_gt=True, draw_pred=False)
    return visualizer.get_image()


def _plain_instances(sample) -> None:
    """Turn what mmdet's transforms work on, boxes and bitmaps of its own, into what its visualizer draws."""
    from mmdet.models.utils import mask2ndarray
    from mmdet.structures.bbox import get_box_tensor
    found = sample.gt_instances
    found.bboxes = get_box_tensor(found.bboxes)
    if 'masks' in found:
        found.masks = mask2ndarray(found.masks).astype(bool)
