"""Files are compared with the model in labels and numbers of objects, too."""

import math

import pytest
import torch

from se_backbones.lab.export.parity import largest_differences

BOXES, SCORES, LABELS = torch.tensor([[0.0, 0, 8, 8], [9, 9, 20, 20]]), torch.tensor([0.9, 0.8]), torch.tensor([3, 1])


class Part:
    outputs = ('boxes', 'scores', 'labels')

    def expected(self, batch):
        return [BOXES, SCORES, LABELS]


@pytest.mark.parametrize(('found', 'differences'), [
    ([BOXES, SCORES, LABELS], (0, 0, 0)),
    ([BOXES.flip(0), SCORES.flip(0), LABELS.flip(0)], (0, 0, 0)),  # in another order
    ([BOXES, SCORES, torch.tensor([3, 2])], (0, 0, math.inf)),
    ([BOXES + 0.5, SCORES, LABELS], (0.5, 0, 0)),
    ([BOXES, SCORES - 0.125, LABELS], (0, 0.125, 0)),
    ([BOXES, SCORES * torch.tensor([1, math.nan]), LABELS], (0, math.inf, 0)),
    ([BOXES[:1], SCORES[:1], LABELS[:1]], (math.inf,) * 3),
], ids=['the same', 'another order', 'a label', 'boxes', 'scores', 'NaN', 'one object less'])
def test_each_output_has_its_largest_difference(found, differences):
    batch = dict(inputs=[torch.zeros(3, 8, 8)])
    result = largest_differences(Part(), lambda images: found, [batch])
    assert result == dict(zip(Part.outputs, map(pytest.approx, differences), strict=True))
