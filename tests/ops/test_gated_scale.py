"""gated_scale against indexing by integers."""

import pytest
import torch

from se_backbones.ops import gated_scale


@pytest.mark.parametrize('extent', [2, 4, 8])
def test_nearest_index_is_the_integer_formula_for_every_size_up_to_1400(extent):
    for size in range(1, 1401):
        cells = -(-size // extent)
        x = torch.ones(1, 1, size, 1)
        out = gated_scale(x, torch.arange(cells, dtype=torch.float32).view(1, 1, cells, 1))
        assert out.flatten().tolist() == [i * cells // size for i in range(size)], size


@pytest.mark.parametrize(('size', 'cells'), [((8, 8), (4, 4)), ((9, 7), (3, 2)), ((5, 5), (1, 1)), ((4, 6), (4, 6))])
def test_gradients(size, cells):
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    gate = torch.rand(2, 3, *cells, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gated_scale, (x, gate))


def test_the_full_size_gate_is_not_built_where_the_grids_divide():
    x, gate = torch.randn(1, 2, 64, 64), torch.rand(1, 2, 8, 8, requires_grad=True)
    saved = []

    def record(tensor):
        saved.append(tensor.untyped_storage().nbytes())
        return tensor
    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        gated_scale(x, gate)
    assert sum(size for size in saved if size != x.untyped_storage().nbytes()) <= gate.untyped_storage().nbytes()
