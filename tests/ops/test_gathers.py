"""The gathers' tensor functions against torch's own operators."""

import pytest
import torch
import torch.nn.functional as F

from se_backbones.ops import average_pool, depthwise_conv3x3_s2, map_dot
from se_backbones.ops.map_dot import _weight_gradient

SIZES = [(8, 8), (9, 7), (1, 1), (5, 17), (3, 2)]


def kept_values(function):
    """Return the number of values of what autograd keeps, each block of memory once."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        function()
    return sorted(tensor.untyped_storage().nbytes() // tensor.element_size() for tensor in kept.values())


@pytest.mark.parametrize('extent', [2, 4, 8])
@pytest.mark.parametrize('size', SIZES)
def test_average_pool_is_the_square_window_of_the_paper(extent, size, layout):
    x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout)
    wanted = F.avg_pool2d(x, 2 * extent - 1, extent, extent - 1, count_include_pad=False)
    torch.testing.assert_close(average_pool(x, extent), wanted)


@pytest.mark.parametrize('extent', [2, 4])
def test_gradients_of_average_pool(extent, layout):
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: average_pool(x, extent), (x,))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_average_pool_keeps_no_map_but_its_input(layout, dtype):
    x = torch.randn(2, 64, 32, 32, dtype=dtype).contiguous(memory_format=layout).requires_grad_()
    kept = kept_values(lambda: average_pool(x, 8))
    assert sum(kept) <= x.numel() + 2 * 32 * 4


@pytest.mark.parametrize('size', SIZES)
def test_map_dot_is_the_full_map_depthwise_convolution(size, layout):
    x = torch.randn(3, 5, *size, dtype=torch.float64).contiguous(memory_format=layout)
    weight = torch.randn(5, *size, dtype=torch.float64)
    torch.testing.assert_close(map_dot(x, weight), F.conv2d(x, weight[:, None], groups=5).flatten(1))


def test_map_dot_of_half_precision_is_float32():
    x, weight = torch.randn(2, 3, 4, 4), torch.randn(3, 4, 4)
    half = map_dot(x.bfloat16(), weight)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, map_dot(x, weight), rtol=0.05, atol=0.1)


def assert_gradients_are_the_same_if_they_will_be_differentiated(out, leaves):
    """``gradgradcheck`` compares second gradients with first ones, whatever these are, and passes over absent ones."""
    grad = torch.randn_like(out)
    for a, b in zip(torch.autograd.grad(out, leaves, grad, create_graph=True), torch.autograd.grad(out, leaves, grad),
                    strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_of_map_dot(layout):
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(map_dot, (x, weight))
    assert torch.autograd.gradgradcheck(map_dot, (x, weight))
    assert_gradients_are_the_same_if_they_will_be_differentiated(map_dot(x, weight), (x, weight))


def test_map_dot_keeps_its_input_and_the_kernel(layout):
    x = torch.randn(2, 8, 16, 16).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(8, 16, 16, requires_grad=True)
    assert kept_values(lambda: map_dot(x, weight)) == [weight.numel(), x.numel()]


def test_map_dot_takes_batches_of_gradients():
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    weight = torch.randn(3, 4, 4, requires_grad=True)
    out, grads = map_dot(x, weight), torch.randn(5, 2, 3)
    batched = torch.autograd.grad(out, (x, weight), grads, retain_graph=True, is_grads_batched=True)
    for number, grad in enumerate(grads):
        for found, wanted in zip(batched, torch.autograd.grad(out, (x, weight), grad, retain_graph=True), strict=True):
            torch.testing.assert_close(found[number], wanted)


@pytest.mark.parametrize('images', [1, 3, 19])
def test_map_dots_weight_gradient_on_a_gpu_copies_an_eighth_of_the_maps_at_a_time(images, layout, monkeypatch):
    x = torch.randn(images, 3, 4, 5).bfloat16().contiguous(memory_format=layout)
    grad, largest, to = torch.randn(images, 3), [], torch.Tensor.to
    wanted = torch.einsum('nc,nchw->chw', grad, x.float())

    def counted(tensor, *args):
        largest.append(len(tensor))
        return to(tensor, *args)
    monkeypatch.setattr(torch.Tensor, 'to', counted)
    torch.testing.assert_close(_weight_gradient(grad, x), wanted, rtol=1e-5, atol=1e-5)
    assert max(largest) <= max(1, images // 8)


@pytest.mark.parametrize('size', [(40, 33), (8, 9), (1, 1), (3, 1), (1, 4)])
def test_depthwise_conv3x3_s2_is_torchs_convolution(size, layout):
    x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(3, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    ours, theirs = depthwise_conv3x3_s2(x, weight), F.conv2d(x, weight, None, 2, 1, 1, 3)
    grad = torch.randn_like(theirs)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(torch.autograd.grad(ours, (x, weight), grad), torch.autograd.grad(theirs, (x, weight), grad),
                    strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('size', [(1, 1), (2, 1)])
def test_depthwise_conv3x3_s2_of_one_column_is_autocast_too(size):
    x, weight = torch.randn(2, 3, *size), torch.randn(3, 1, 3, 3)
    with torch.autocast('cpu', torch.bfloat16):
        ours, theirs = depthwise_conv3x3_s2(x, weight), F.conv2d(x, weight, None, 2, 1, 1, 3)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours, theirs)


def test_gradients_of_gradients_of_depthwise_conv3x3_s2():
    x = torch.randn(1, 1, 33, 33, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(depthwise_conv3x3_s2, (x, weight), fast_mode=True)
    assert_gradients_are_the_same_if_they_will_be_differentiated(depthwise_conv3x3_s2(x, weight), (x, weight))
