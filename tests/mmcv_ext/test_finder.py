"""Which operators ``import mmcv._ext`` finds, and what becomes of compiled ones."""

import importlib
import importlib.util
import logging
import sys
import sysconfig
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from types import ModuleType

import pytest
import torch

from se_backbones.mmcv_ext import finder, operators

SUFFIX = sysconfig.get_config_var('EXT_SUFFIX')


@pytest.fixture
def find(tmp_path):
    """Return a function that imports ``mmcv._ext`` as the finder finds it in a folder."""
    def load() -> ModuleType:
        spec = finder.choose(PathFinder.find_spec(finder.NAME, [str(tmp_path)]))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    return load


def test_where_nothing_was_compiled_ours_are_found(find):
    module = find()
    assert module.nms is operators.nms and module.carafe_forward.__name__ == 'carafe_forward'
    assert not finder.is_compiled(module)


def test_compiled_operators_that_do_not_load_are_named_once_and_ours_run(find, tmp_path, caplog):
    (tmp_path / f'_ext{SUFFIX}').write_bytes(b'compiled for another torch')
    with caplog.at_level(logging.WARNING, 'se_backbones'):
        module = find()
    assert module.nms is operators.nms and not finder.is_compiled(module) and module.__file__ == str(finder.OURS)
    (record,) = caplog.records
    assert "mmcv's compiled operators do not load (" in record.message and f'_ext{SUFFIX}' in record.message


def compiled_module() -> ModuleType:
    """A module that is taken for a compiled one, whose RoIAlign reads memory as if it were NCHW, as mmcv's does."""
    module = ModuleType(finder.NAME)
    module.__spec__ = ModuleSpec(finder.NAME, ExtensionFileLoader(finder.NAME, 'a path'))

    def roi_align_forward(input, rois, output, *rest, **kwargs):
        operators.roi_align_forward(input.as_strided(input.shape, torch.empty(input.shape).stride()), rois, output,
                                    *rest, **kwargs)
    module.roi_align_forward = roi_align_forward
    return module


def pooled(module: ModuleType, layout: torch.memory_format) -> torch.Tensor:
    maps = torch.randn(1, 3, 5, 7, generator=torch.manual_seed(0)).to(memory_format=layout)
    output = maps.new_zeros(1, 3, 2, 2)
    none = maps.new_zeros(0)
    module.roi_align_forward(maps, torch.tensor([[0., 0, 0, 6, 4]]), output, none, none, aligned_height=2,
                             aligned_width=2, spatial_scale=1., sampling_ratio=0, pool_mode=1, aligned=True)
    return output


def test_a_compiled_roi_align_is_made_right_for_channels_last_maps():
    module = compiled_module()
    right = pooled(module, torch.contiguous_format)
    assert not torch.allclose(pooled(module, torch.channels_last), right)
    finder.take_any_layout(module)
    assert torch.equal(pooled(module, torch.channels_last), right)


def test_contiguous_tensors_go_to_the_compiled_operators():
    module, seen = compiled_module(), []
    module.roi_align_forward = lambda *tensors, **sizes: seen.append(len(tensors))
    module.deform_conv_forward = lambda *tensors, **sizes: seen.append(tensors)
    finder.take_any_layout(module)
    pooled(module, torch.contiguous_format)
    module.deform_conv_forward(torch.ones(2, 3, 4, 5), torch.ones(1))
    assert len(seen) == 2


def test_compiled_operators_are_mended_once_even_if_mmcv_was_imported_first(monkeypatch):
    module = compiled_module()
    monkeypatch.setitem(sys.modules, finder.NAME, module)
    finder.prefer_compiled()
    mended = module.roi_align_forward
    finder.prefer_compiled()
    assert module.roi_align_forward is mended and hasattr(mended, '__wrapped__')


@pytest.mark.parametrize('stub', [ModuleType(finder.NAME), None, object()], ids=['module', 'none', 'object'])
def test_what_somebody_else_put_in_the_place_of_the_operators_is_left_alone(monkeypatch, stub):
    monkeypatch.setitem(sys.modules, finder.NAME, stub)
    before = dict(getattr(stub, '__dict__', {}))
    finder.prefer_compiled()
    assert sys.modules[finder.NAME] is stub and getattr(stub, '__dict__', {}) == before


def test_our_own_operators_are_not_mended():
    module = ModuleType(finder.NAME)
    module.__spec__ = ModuleSpec(finder.NAME, None)
    module.roi_align_forward = operators.roi_align_forward
    finder.take_any_layout(module)
    assert module.roi_align_forward is operators.roi_align_forward


ROIS = torch.tensor([[0., 1, 1, 6, 5], [1, 0, 2, 5, 6]])
SEEDED = torch.Generator().manual_seed(0)
WEIGHT, OFFSET, MASK = (torch.randn(shape, generator=SEEDED) for shape in ((4, 8, 3, 3), (2, 18, 8, 7), (2, 9, 8, 7)))
OF_MAPS = {
    'RoIAlign': lambda ops, x: ops.roi_align(x, ROIS, (3, 2), 1., 0, 'avg', True),
    'deformable convolution': lambda ops, x: ops.deform_conv2d(x, OFFSET, WEIGHT, 1, 1),
    'modulated deformable convolution': lambda ops, x: ops.modulated_deform_conv2d(
        x, OFFSET, MASK, WEIGHT, torch.ones(4), 1, 1),
}


@pytest.mark.parametrize('name', OF_MAPS)
def test_the_operators_of_this_environment_are_right_for_channels_last_maps(name):
    """In every environment, one with a compiled mmcv among them: there it fails without this package."""
    from mmcv import ops
    maps = torch.randn(2, 8, 8, 7)
    found = []
    for x in (maps, maps.to(memory_format=torch.channels_last)):
        x.requires_grad_()
        output = OF_MAPS[name](ops, x)
        found.append((output, *torch.autograd.grad(output.square().sum(), x)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def test_importing_the_package_lets_mmcv_find_operators():
    (ours,) = [one for one in sys.meta_path if type(one).__module__.startswith('se_backbones')]
    assert finder.NAME in sys.modules or ours.changes[finder.NAME] is finder.choose
