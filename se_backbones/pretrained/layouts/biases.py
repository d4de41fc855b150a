"""Convolutions with a bias before a norm, which no network of ours has."""

import re
from typing import TYPE_CHECKING

from se_backbones.pretrained.layouts.layout import State

if TYPE_CHECKING:
    from torch import Tensor

BEFORE_NORM = re.compile(r'(?P<unit>.*)(?:conv(?P<number>\d)|downsample\.0)\.bias')


def into_norms(state: State) -> 'dict[str, Tensor]':
    """Return the state without the biases of convolutions that a norm follows: the norm's mean takes them up.

    ``norm(conv(x) + b)`` is exactly ``norm(conv(x))`` with the running mean less by b. Files that came out of Caffe
    have such biases, as a rule all zero.
    """
    result = dict(state)
    for key in state:
        match = BEFORE_NORM.fullmatch(key)
        if match is None:
            continue
        norm = f'bn{match["number"]}' if match['number'] else 'downsample.1'
        mean = f'{match["unit"]}{norm}.running_mean'
        if mean in result:
            result[mean] = result[mean] - result.pop(key)
    return result
