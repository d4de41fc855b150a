"""OpenCV as an independent runtime of Caffe networks, to compare a conversion with."""

import re
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from se_backbones.lab.caffe.reader import read_prototxt

# OpenCV takes the second and the third input of Axpy, scale * x + y, for each other.
_AXPY = re.compile(r'(type:\s*"Axpy"\s*bottom:[^\n]*\n)(\s*bottom:[^\n]*\n)(\s*bottom:[^\n]*\n)')


class CaffeNetwork:
    """A network of Caffe's, from ``(N, 3, H, W)`` images to ``(N, classes)`` scores.

    Args:
        prototxt: Its layers.
        caffemodel: Content of the file with its numbers.

    Raises:
        RuntimeError: OpenCV does not know a layer, as those of the GE networks.
    """

    def __init__(self, prototxt: str | Path, caffemodel: bytes):
        text = _AXPY.sub(r'\1\3\2', Path(prototxt).expanduser().read_text())
        try:
            self._network = cv2.dnn.readNetFromCaffe(*(np.frombuffer(content, np.uint8)
                                                       for content in (text.encode(), caffemodel)))
        except (cv2.error, AttributeError) as error:
            raise RuntimeError(f'OpenCV {cv2.__version__} cannot read the network') from error
        inputs = [layer.settings.input_param.shape for layer in read_prototxt(prototxt).values()]
        self.size = next((tuple(shape[0].dim)[2:] for shape in inputs if shape), (224, 224))

    def __call__(self, image: Tensor) -> Tensor:
        """Return the scores."""
        self._network.setInput(image.numpy())
        try:
            return torch.from_numpy(self._network.forward('classifier'))
        except cv2.error as error:
            raise RuntimeError(f'OpenCV {cv2.__version__} cannot run the network') from error
