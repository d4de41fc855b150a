"""Test scenes as they are tested: what was found, beside the truth."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.dist import barrier
from mmengine.hooks import Hook
from mmengine.runner import Runner

from se_backbones.lab.inference.objects import class_colours, found_in, truth_in
from se_backbones.lab.inference.prediction import Prediction, drawn_files
from se_backbones.lab.pictures.scenes import write_picture


class ShowHook(Hook):
    """Draws each image of a test, for the three hosts alike.

    Args:
        runner: Whose test set will be tested.
        folder: For the new files, which are named after the images.

    Raises:
        FileExistsError: A file exists.
        ValueError: Images of the test set have no ``img_path``, or two have the same name.
    """

    priority = 'LOW'

    def __init__(self, runner: Runner, folder: str | Path):
        dataset = runner.test_dataloader.dataset
        self._names = dataset.metainfo.get('classes')
        self._colours = class_colours(runner.cfg, dataset.metainfo)
        images = [dataset.get_data_info(index).get('img_path') for index in range(len(dataset))]
        if None in images:
            raise ValueError(f'{type(dataset).__name__} gives no img_path, after which the drawn pictures are named.')
        self._files = drawn_files(images, folder)
        barrier()  # or the pictures of a process that is ahead are there already

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                        outputs: Sequence | None = None) -> None:
        """Draw the images of a batch."""
        for sample in outputs:
            prediction = Prediction(sample.img_path, found_in(sample, self._names),
                                    self._colours, truth_in(sample, self._names))
            # Samplers give some images to two processes, so that all have equally many.
            with suppress(FileExistsError):
                write_picture(prediction.drawn, self._files[sample.img_path])
