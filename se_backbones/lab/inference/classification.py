"""Classifiers: the most probable classes of an image."""

from collections.abc import Iterable, Iterator

import cv2
import mmcv
import numpy as np
from mmengine.config import Config

from se_backbones.lab.inference.loading import loaded
from se_backbones.lab.inference.prediction import Image, Prediction, name_of, picture_of, source_of

BEST = 5


def classify(cfg: Config, checkpoint: str, batches: Iterable[list[Image]], device: str,
             score_threshold: float) -> Iterator[Prediction]:
    """Yield what mmpretrain's inferencer says; see :func:`se_backbones.lab.inference.predict`."""
    from mmpretrain import ImageClassificationInferencer
    inferencer = loaded(lambda: ImageClassificationInferencer(cfg, pretrained=checkpoint, device=device), checkpoint)
    names = inferencer.classes
    for batch in batches:
        # Its own call would show a progress bar for each batch.
        data, = inferencer.preprocess([source_of(image) for image in batch], len(batch))
        for image, sample in zip(batch, inferencer.forward(data), strict=True):
            scores = sample.pred_score.cpu().numpy()
            objects = [dict(label=names[k] if names else str(k), number=int(k), score=float(scores[k]))
                       for k in np.argsort(scores)[::-1][:BEST]]
            yield Prediction(name_of(image), _drawn(picture_of(image), objects), objects)


def _drawn(picture: np.ndarray, objects: list[dict]) -> np.ndarray:
    """Return the picture with a row of text for each class below it."""
    picture = mmcv.imrescale(picture, max(1.0, 224 / max(picture.shape[:2])))
    rows = np.full((18 * len(objects) + 8, picture.shape[1], 3), 255, np.uint8)
    for row, found in enumerate(objects):
        cv2.putText(rows, f'{found["score"]:.3f} {found["label"]}', (6, 18 * row + 18), cv2.FONT_HERSHEY_SIMPLEX,
                    0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([picture, rows])
