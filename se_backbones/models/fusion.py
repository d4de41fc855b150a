"""Fold norms into the convolutions before them, for inference."""

import copy

from mmcv.cnn import fuse_conv_bn
from torch import nn


def fuse_for_inference(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` in eval mode in which batch norms are part of the convolutions before them.

    Hosts and operators alike: a gather's depth-wise convolutions take their norms in. The copy computes the same up to
    rounding, and cannot be trained further as the original could: its norms are gone. It is mmcv's ``fuse_conv_bn`` on
    a copy; modules of ours are registered in an order that suits it, and units take the Identity that it leaves in the
    place of a norm.

    Args:
        model: A backbone, or a detector or classifier with one.
    """
    model = copy.deepcopy(model)
    model.eval()  # whose result is None for mmpretrain's networks
    return fuse_conv_bn(model)
