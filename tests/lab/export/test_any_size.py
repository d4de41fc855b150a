"""Operators of local extent without branches on sizes."""

import pytest
import torch

from se_backbones.lab.export.any_size import AnySize, fixed_size_reason, for_any_size
from se_backbones.models.operators import GatherExcite, SqueezeExcite


@pytest.mark.parametrize('size', [(8, 8), (16, 24), (9, 17), (1, 5), (3, 2), (33, 50)], ids=str)
@pytest.mark.parametrize('options', [dict(extent=4), dict(variant='theta', extent=8)], ids=str)
def test_it_is_the_operator_at_every_size(options, size):
    operator = GatherExcite(6, **options).eval()
    x = torch.randn(2, 6, *size)
    torch.testing.assert_close(AnySize(operator)(x), operator(x))


def test_only_operators_of_local_extent_are_replaced_and_only_in_the_copy():
    model = torch.nn.ModuleDict(dict(se=SqueezeExcite(8), everywhere=GatherExcite(8), near=GatherExcite(8, extent=2),
                                     deep=torch.nn.Sequential(GatherExcite(8, variant='theta', extent=8))))
    copied = for_any_size(model)
    assert [name for name, module in copied.named_modules() if isinstance(module, AnySize)] == ['near', 'deep.0']
    assert not [module for module in model.modules() if isinstance(module, AnySize)]


def test_kernels_that_span_the_map_fix_the_size():
    assert fixed_size_reason(GatherExcite(8, variant='theta', extent=8)) is None
    assert 'extent="global"' in fixed_size_reason(GatherExcite(8, variant='theta_plus', map_size=7))
