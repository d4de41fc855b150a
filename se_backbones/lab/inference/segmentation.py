"""Segmentors: the classes of an image's pixels."""

import copy
from collections.abc import Iterable, Iterator

from mmengine.config import Config
from mmengine.structures import PixelData

from se_backbones.lab.inference.detection import by_size
from se_backbones.lab.inference.drawing import enlarged, resized
from se_backbones.lab.inference.loading import loaded
from se_backbones.lab.inference.prediction import Image, Prediction, name_of, picture_of, source_of


def segment(cfg: Config, checkpoint: str, batches: Iterable[list[Image]], device: str,
            score_threshold: float) -> Iterator[Prediction]:
    """Yield what mmseg's ``inference_model`` says; see :func:`se_backbones.lab.inference.predict`."""
    from mmseg.apis import inference_model, init_model
    from mmseg.registry import VISUALIZERS
    # mmseg empties the weights' source and the pipeline in the config that it is given.
    model = loaded(lambda: init_model(copy.deepcopy(cfg), checkpoint, device=device), checkpoint)
    visualizer = VISUALIZERS.build(dict(type='SegLocalVisualizer', name=f'infer-{id(model)}', alpha=0.5))
    visualizer.dataset_meta = model.dataset_meta
    names = model.dataset_meta['classes']
    for batch in batches:
        for image, sample in zip(batch, inference_model(model, [source_of(image) for image in batch]), strict=True):
            labels = sample.cpu().pred_sem_seg.data
            objects = by_size([(int(number), int(count) / labels.numel())
                               for number, count in zip(*labels.unique(return_counts=True), strict=True)], names)
            picture = enlarged(picture_of(image))
            sample.pred_sem_seg = PixelData(data=resized(labels, picture))
            visualizer.add_datasample('', picture, sample, draw_gt=False)
            yield Prediction(name_of(image), visualizer.get_image(), objects)
