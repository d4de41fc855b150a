"""How many of our functions one unit calls: what a reader has to follow."""

import sys

import pytest
import torch

from se_backbones.models.backbones.resnet import Bottleneck
from se_backbones.models.placement import Slot


@pytest.mark.parametrize(('tail', 'calls', 'files'), [('fused', 47, 10), ('plain', 32, 9)])
def test_an_se_bottleneck_calls_few_functions_of_few_files(tail, calls, files):
    unit = Bottleneck(256, 64, slots={'standard': Slot(dict(type='SqueezeExcite'), 'context', tail=tail)}).train()
    x, seen = torch.randn(2, 256, 14, 14, requires_grad=True), []
    unit(x)

    def watch(frame, event, argument):
        if event == 'call' and 'se_backbones/' in frame.f_code.co_filename and 'tests/' not in frame.f_code.co_filename:
            seen.append(frame.f_code.co_filename)
    sys.setprofile(watch)
    try:
        unit(x)
    finally:
        sys.setprofile(None)
    assert len(seen) <= calls and len(set(seen)) <= files
