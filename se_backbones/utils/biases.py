"""Fold the biases of convolutions into the norms after them."""

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BEFORE_NORM = re.compile(r'(?P<unit>.*)(?:conv(?P<number>\d)|downsample\.0)\.bias')


def into_norms(state: 'Mapping[str, Tensor]', keep: Collection[str] = ()) -> 'dict[str, Tensor]':
    """Return the state without the biases of convolutions that a norm follows: the norm's mean takes them up.

    ``norm(conv(x) + b)`` is exactly ``norm(conv(x))`` with the running mean less by b. Files that came out of Caffe
    have such biases, as a rule all zero.

    Args:
        state: Tensors by torchvision's names.
        keep: Biases that stay, as their convolutions have one.
    """
    result = dict(state)
    for key in state:
        match = BEFORE_NORM.fullmatch(key)
        if match is None or key in keep:
            continue
        norm = f'bn{match["number"]}' if match['number'] else 'downsample.1'
        mean = f'{match["unit"]}{norm}.running_mean'
        if mean in result and result[mean].shape == state[key].shape:
            # The difference of two halves is none, as a rule.
            precise = result[mean].float() if result[mean].itemsize < 4 else result[mean]
            result[mean] = precise - result.pop(key)
    return result
