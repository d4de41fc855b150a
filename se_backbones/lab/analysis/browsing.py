"""Draw the images and annotations of a config's dataset after its pipeline."""

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from se_backbones.engine.checks.datasets import metainfo
from se_backbones.lab.inference.objects import class_colours, truth_in
from se_backbones.lab.inference.reading import rgb, transforms_of
from se_backbones.lab.pictures.scenes import draw, write_picture
from se_backbones.utils.config_types import HOSTS, host_of
from se_backbones.utils.validation import one_of


def draw_samples(cfg: Config, split: str, folder: str | Path, number: int | None = None) -> Iterator[Path]:
    """Write the first samples of a split, after its pipeline and with their annotations, and yield each new file.

    Args:
        cfg: Config of mmdet, mmpretrain or mmseg.
        split: ``'train'``, ``'val'`` or ``'test'``.
        folder: Where the PNG files go, ``00000_<name of the image>.png``.
        number: How many; None: all.

    Raises:
        FileExistsError: A file exists.
        ValueError: The config belongs to another library, or the split's pipeline loads no annotations.
    """
    scope = one_of('default_scope', host_of(cfg), HOSTS)
    with DefaultScope.overwrite_default_scope(scope):
        # Asking for a host's type imports all of its datasets and transforms.
        dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
    meta = metainfo(dataset)
    names, colours = meta.get('classes'), class_colours(cfg, meta)
    for index in range(len(dataset) if number is None else min(number, len(dataset))):
        packed = dataset[index]
        sample = packed['data_samples']
        truth = truth_in(sample, names)
        if truth is None:
            raise ValueError('The images have no labels: give the dataset an ann_file or with_label=True.'
                             if scope == 'mmpretrain' else 'The pipeline loads no annotations: add '
                             'dict(type="LoadAnnotations", with_bbox=True).')
        image = rgb(packed['inputs'], transforms_of(dataset))
        name = Path(sample.get('img_path') or '').stem
        file = Path(folder) / f'{index:05d}{f"_{name}" if name else ""}.png'
        yield write_picture(draw(image, truth, colours), file)
