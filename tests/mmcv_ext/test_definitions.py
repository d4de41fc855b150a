"""Each operator against its definition, written as loops, and its gradients against finite differences."""

import math

import numpy as np
import pytest
import torch
from mmcv import ops
from torch.autograd import gradcheck

from se_backbones.mmcv_ext import operators


def uniform(*shape: int, low: float = -1., high: float = 1.) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.float64).uniform_(low, high)


def bilinear(plane: torch.Tensor, y: float, x: float, border: float) -> float:
    """Return the value between pixels; beyond ``border`` pixels outside of the map there is nothing."""
    height, width = plane.shape
    if not (-border <= y <= height - 1 + border and -border <= x <= width - 1 + border):
        return 0.
    top, left, total = math.floor(y), math.floor(x), 0.
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < height and 0 <= column < width:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * float(plane[row, column])
    return total


# --- RoIAlign and RoIPool ---


def roi_align_by_loops(maps, rois, size, scale, samples, aligned):
    output = torch.zeros(len(rois), maps.size(1), *size, dtype=maps.dtype)
    height, width = maps.shape[2:]
    for k, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (edge * scale - 0.5 * aligned for edge in box)
        w, h = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        bin_h, bin_w = h / size[0], w / size[1]
        rows, columns = (samples or math.ceil(bin_h)), (samples or math.ceil(bin_w))
        for c in range(maps.size(1)):
            for i in range(size[0]):
                for j in range(size[1]):
                    total = 0.
                    for a in range(rows):
                        for b in range(columns):
                            y = y1 + (i + (a + 0.5) / rows) * bin_h
                            x = x1 + (j + (b + 0.5) / columns) * bin_w
                            if -1 <= y <= height and -1 <= x <= width:  # coordinates are kept inside of the map
                                total += bilinear(maps[int(image), c], min(max(y, 0), height - 1),
                                                  min(max(x, 0), width - 1), 0)
                    output[k, c, i, j] = total / max(rows * columns, 1)
    return output


ROIS = torch.tensor([[0, 1.3, 2.1, 9.7, 12.2], [1, -5, -4, 40, 33], [1, 60, 60, 80, 75], [0, 4, 4, 4, 4],
                     [0, 20, 10, 30, 31.5], [1, 0, 0, 11, 9]], dtype=torch.float64)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('samples', [0, 2])
def test_roi_align_averages_bilinear_samples(aligned, samples):
    maps = uniform(2, 2, 5, 7)
    found = ops.roi_align(maps, ROIS, (3, 2), 0.4, samples, 'avg', aligned)
    torch.testing.assert_close(found, roi_align_by_loops(maps, ROIS, (3, 2), 0.4, samples, aligned))
    assert gradcheck(lambda x: ops.roi_align(x, ROIS, (3, 2), 0.4, samples, 'avg', aligned), maps.requires_grad_())


def test_roi_align_is_the_same_for_every_memory_layout():
    maps = uniform(2, 3, 5, 7).requires_grad_()
    turned = maps.detach().to(memory_format=torch.channels_last).requires_grad_()
    outputs = [ops.roi_align(x, ROIS, (3, 2), 0.4, 0, 'avg', True) for x in (maps, turned)]
    assert torch.equal(*outputs)
    assert torch.equal(*(torch.autograd.grad(output.square().sum(), x)[0]
                         for output, x in zip(outputs, (maps, turned))))


def test_a_reversed_box_is_an_error_in_aligned_roi_align():
    reversed_box = torch.tensor([[0., 5, 5, 3, 8]])
    with pytest.raises(RuntimeError, match='do not have non-negative size'):
        ops.roi_align(torch.ones(1, 1, 9, 9), reversed_box, 2, 1., 0, 'avg', True)
    ops.roi_align(torch.ones(1, 1, 9, 9), reversed_box, 2, 1., 0, 'avg', False)


def test_roi_align_that_takes_the_maximum_stops_with_the_error():
    with pytest.raises(NotImplementedError, match="roi_align with pool_mode='max'"):
        ops.roi_align(torch.ones(1, 1, 9, 9), ROIS[:1].float(), 2, 1., 0, 'max', True)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_roi_align_in_half_precision_is_rounded_once(dtype):
    maps = uniform(2, 3, 5, 7).to(dtype).requires_grad_()
    exact = maps.detach().float().requires_grad_()
    rois = ROIS.to(dtype)
    found = ops.roi_align(maps, rois, (3, 2), 0.5, 2, 'avg', True)
    expected = ops.roi_align(exact, rois.float(), (3, 2), 0.5, 2, 'avg', True)
    assert found.dtype == dtype and torch.equal(found, expected.to(dtype))
    for output in (found, expected):
        output.backward(torch.ones_like(output))
    assert torch.equal(maps.grad, exact.grad.to(dtype))


def test_roi_align_under_autocast_returns_the_type_of_the_map():
    with torch.autocast('cpu', torch.bfloat16):
        maps = torch.nn.Conv2d(3, 4, 3)(torch.randn(1, 3, 9, 9))
        pooled = ops.roi_align(maps, ROIS[:1].to(maps), (3, 2), 0.5, 2, 'avg', True)
    pooled.sum().backward()
    assert pooled.dtype == maps.dtype == torch.bfloat16


def test_roi_align_compiles_as_one_graph():
    maps, rois = uniform(2, 3, 5, 7).float().requires_grad_(), ROIS.float()

    def pool(x):
        return ops.roi_align(x, rois, (3, 2), 0.5, 2, 'avg', True).square()
    torch.testing.assert_close(torch.compile(pool, fullgraph=True, backend='aot_eager')(maps), pool(maps))


def roi_pool_by_loops(maps, rois, size, scale):
    output = torch.zeros(len(rois), maps.size(1), *size, dtype=maps.dtype)
    height, width = maps.shape[2:]
    for k, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        if x2 <= x1 or y2 <= y1:
            continue
        for i in range(size[0]):
            for j in range(size[1]):
                rows = range(max(math.floor(y1 + i * (y2 - y1) / size[0]), 0),
                             min(math.ceil(y1 + (i + 1) * (y2 - y1) / size[0]), height))
                columns = range(max(math.floor(x1 + j * (x2 - x1) / size[1]), 0),
                                min(math.ceil(x1 + (j + 1) * (x2 - x1) / size[1]), width))
                for c in range(maps.size(1)):
                    values = [float(maps[int(image), c, row, column]) for row in rows for column in columns]
                    output[k, c, i, j] = max(values, default=0.)
    return output


@pytest.mark.parametrize('gathered', [1, 2**25])
def test_roi_pool_takes_the_maximum_of_each_bin(monkeypatch, gathered):
    monkeypatch.setattr(operators.roi, 'GATHERED', gathered)
    maps = uniform(2, 2, 5, 7)
    rois = torch.cat([ROIS, ROIS.new_tensor([[0, 9, 9, 3, 3]])])
    torch.testing.assert_close(ops.roi_pool(maps, rois, (3, 2), 0.4), roi_pool_by_loops(maps, rois, (3, 2), 0.4))
    assert gradcheck(lambda x: ops.roi_pool(x, rois, (3, 2), 0.4), maps.requires_grad_())


def test_roi_pool_of_boxes_that_are_no_numbers_gives_numbers():
    rois = torch.tensor([[0, torch.nan, 0, 3, 3], [0, 0, 0, torch.inf, 3]])
    assert ops.roi_pool(torch.ones(1, 1, 5, 5), rois, 2, 1.).isfinite().all()


def test_no_boxes_give_no_features():
    maps, none = uniform(1, 2, 5, 5).requires_grad_(), torch.zeros(0, 5, dtype=torch.float64)
    for pooled in (ops.roi_align(maps, none, 2, 1., 0, 'avg', True), ops.roi_pool(maps, none, 2, 1.)):
        assert pooled.shape == (0, 2, 2, 2)
        assert torch.equal(torch.autograd.grad(pooled.sum(), maps)[0], torch.zeros_like(maps))


# --- Boxes ---


def boxes_and_scores(number: int):
    corner = uniform(number, 2, low=0, high=20)
    boxes = torch.cat([corner, corner + uniform(number, 2, low=1, high=15)], 1).float()
    return boxes, uniform(number, low=0, high=1).float()


def overlap(a, b, offset):
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    sizes = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return width * height / (sum(sizes) - width * height)


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_keeps_what_no_better_box_overlaps(offset):
    boxes, scores = boxes_and_scores(60)
    left, kept = scores.argsort(descending=True).tolist(), []
    while left:
        kept.append(left.pop(0))
        left = [i for i in left if overlap(boxes[kept[-1]].tolist(), boxes[i].tolist(), offset) <= 0.3]
    dets, found = ops.nms(boxes, scores, 0.3, offset)
    assert found.tolist() == kept and torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[found])


def test_nms_of_equal_scores_keeps_the_box_that_the_sort_puts_first():
    scores = torch.full((50,), 0.5)
    (first,) = ops.nms(torch.tensor([[0., 0, 9, 9]]).expand(50, 4), scores, 0.5)[1].tolist()
    assert first == scores.sort(0, descending=True)[1][0]


def test_an_overlap_equal_to_the_threshold_suppresses_nothing():
    # 0.3 as a float is larger than 0.3: a comparison in double would drop the second box.
    boxes = torch.tensor([[0., 0, 13, 1], [7, 0, 20, 1]])
    threshold = float(np.float32(6) / np.float32(20))
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), threshold)[1].tolist() == [0, 1]
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.3)[1].tolist() == [0, 1]
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.299)[1].tolist() == [0]


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms_lowers_the_scores_of_overlapping_boxes(method):
    boxes, scores = boxes_and_scores(40)
    left, expected = dict(enumerate(scores.tolist())), []
    while left:
        best = max(left, key=left.get)
        expected.append((best, left.pop(best)))
        for i in list(left):
            iou = overlap(boxes[best].tolist(), boxes[i].tolist(), 0)
            left[i] *= {'naive': float(iou < 0.3), 'linear': 1 - iou if iou >= 0.3 else 1.,
                        'gaussian': math.exp(-iou * iou / 0.5)}[method]
            if left[i] < 0.05:
                del left[i]
    dets, kept = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method)
    assert kept.tolist() == [index for index, _ in expected]
    assert torch.equal(dets[:, :4], boxes[kept])
    torch.testing.assert_close(dets[:, 4], torch.tensor([score for _, score in expected]))


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_a_score_that_is_no_number_costs_soft_nms_its_own_box_alone(method):
    boxes, scores = boxes_and_scores(20)
    dets, kept = ops.soft_nms(boxes, scores.index_fill(0, torch.tensor([3]), torch.nan), 0.3, 0.5, 0.05, method)
    others = [i for i in range(20) if i != 3]
    expected = ops.soft_nms(boxes[others], scores[others], 0.3, 0.5, 0.05, method)
    assert torch.equal(dets, expected[0]) and kept.tolist() == [others[i] for i in expected[1].tolist()]


def test_soft_nms_takes_bfloat16():
    boxes, scores = boxes_and_scores(20)
    assert ops.soft_nms(boxes.bfloat16(), scores.bfloat16())[0].dtype == torch.bfloat16


def test_nms_match_groups_each_box_with_the_one_that_suppresses_it():
    boxes, scores = boxes_and_scores(40)
    groups = [group.tolist() for group in ops.nms_match(torch.cat([boxes, scores[:, None]], 1), 0.3)]
    assert [group[0] for group in groups] == ops.nms(boxes, scores, 0.3)[1].tolist()
    assert sorted(sum(groups, [])) == list(range(40))
    for first, *rest in groups:
        assert all(overlap(boxes[first].tolist(), boxes[i].tolist(), 0) >= 0.3 for i in rest)


def test_functions_of_boxes_take_none():
    none = torch.zeros(0, 4)
    assert ops.nms(none, torch.zeros(0), 0.5)[1].dtype == torch.long
    assert ops.soft_nms(none, torch.zeros(0))[1].dtype == torch.long
    assert ops.bbox_overlaps(none, torch.ones(3, 4)).shape == (0, 3)
    assert operators.nms_match(torch.zeros(0, 5), 0.5) == []


@pytest.mark.parametrize('offset', [0, 1])
def test_overlaps_are_intersections_over_unions(offset):
    boxes, others = boxes_and_scores(4)[0], boxes_and_scores(3)[0]
    expected = torch.tensor([[overlap(a, b, offset) for b in others.tolist()] for a in boxes.tolist()])
    torch.testing.assert_close(ops.bbox_overlaps(boxes, others, offset=offset), expected)
    torch.testing.assert_close(ops.bbox_overlaps(boxes[:3], others, aligned=True, offset=offset), expected.diag())
    size = (boxes[:, 2] - boxes[:, 0] + offset) * (boxes[:, 3] - boxes[:, 1] + offset)
    sizes = (others[:, 2] - others[:, 0] + offset) * (others[:, 3] - others[:, 1] + offset)
    common = expected * (size[:, None] + sizes) / (1 + expected)
    torch.testing.assert_close(ops.bbox_overlaps(boxes, others, 'iof', offset=offset), common / size[:, None])


# --- Focal losses ---


@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid_focal_loss_is_its_equation(weighted):
    x, target = uniform(6, 4, low=-3, high=3).requires_grad_(), torch.tensor([0, 3, 1, 1, 2, 0])
    weight = uniform(4, low=0.5, high=2) if weighted else None
    p, hot = x.sigmoid(), torch.nn.functional.one_hot(target, 4)
    pt = torch.where(hot == 1, p, 1 - p)
    expected = -torch.where(hot == 1, 0.25, 0.75) * (1 - pt)**1.5 * pt.log()
    if weighted:
        expected = expected * weight[target][:, None]
    torch.testing.assert_close(ops.sigmoid_focal_loss(x, target, 1.5, 0.25, weight, 'none'), expected)
    assert gradcheck(lambda x: ops.sigmoid_focal_loss(x, target, 1.5, 0.25, weight, 'none'), x)
    torch.testing.assert_close(ops.sigmoid_focal_loss(x, target, 1.5, 0.25, weight, 'mean'), expected.sum() / 6)


@pytest.mark.parametrize('weight', [None, torch.full((4,), 3., dtype=torch.float64)], ids=['alike', 'weighted'])
def test_background_is_no_class_of_the_sigmoid_focal_loss(weight):
    x = uniform(3, 4)
    found = ops.sigmoid_focal_loss(x, torch.full((3,), 4), 2., 0.25, weight, 'none')
    torch.testing.assert_close(found, -0.75 * x.sigmoid()**2 * (1 - x.sigmoid()).log())


@pytest.mark.parametrize('weighted', [False, True])
def test_softmax_focal_loss_is_its_equation(weighted):
    x, target = uniform(6, 4, low=-3, high=3).requires_grad_(), torch.tensor([0, 3, 1, 1, 2, 0])
    weight = uniform(4, low=0.5, high=2) if weighted else None
    p = x.softmax(1)[range(6), target]
    expected = -0.25 * (1 - p)**1.5 * p.log() * (weight[target] if weighted else 1)
    torch.testing.assert_close(ops.softmax_focal_loss(x, target, 1.5, 0.25, weight, 'none'), expected)
    found, = torch.autograd.grad(ops.softmax_focal_loss(x, target, 1.5, 0.25, weight, 'sum'), x)
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), x)[0])


def test_a_negative_class_is_ignored_by_the_softmax_focal_loss():
    x = uniform(2, 4).requires_grad_()
    loss = ops.softmax_focal_loss(x, torch.tensor([-1, 2]), 2., 0.25, None, 'sum')
    (grad,) = torch.autograd.grad(loss, x)
    assert not grad[0].any() and grad[1].all()


def test_focal_losses_of_certain_predictions_are_finite():
    x, target = torch.tensor([[200., -200], [-200, 200]]).requires_grad_(), torch.tensor([1, 1])
    for loss in (ops.sigmoid_focal_loss, ops.softmax_focal_loss):
        value = loss(x, target, 2., 0.25, None, 'sum')
        assert value.isfinite() and torch.autograd.grad(value, x)[0].isfinite().all()


# --- Convolutions ---


def deform_conv_by_loops(x, offset, weight, mask, stride, padding, dilation, groups, offset_groups):
    number, channels, height, width = offset.size(0), *x.shape[1:2], *offset.shape[2:]
    kernel = weight.size(2)
    output = torch.zeros(number, len(weight), height, width, dtype=x.dtype)
    each, per_offset = channels // groups, channels // offset_groups
    for n, out, i, j in np.ndindex(*output.shape):
        for c in range(each):
            source = out // (len(weight) // groups) * each + c
            first = source // per_offset * kernel * kernel
            for a, b in np.ndindex(kernel, kernel):
                tap = first + a * kernel + b
                y = i * stride - padding + a * dilation + float(offset[n, 2 * tap, i, j])
                z = j * stride - padding + b * dilation + float(offset[n, 2 * tap + 1, i, j])
                value = bilinear(x[n, source], y, z, 1) * (1 if mask is None else float(mask[n, tap, i, j]))
                output[n, out, i, j] += float(weight[out, c, a, b]) * value
    return output


@pytest.mark.parametrize(('stride', 'padding', 'dilation', 'groups', 'offset_groups'),
                         [(1, 1, 1, 1, 1), (2, 0, 1, 2, 1), (1, 2, 2, 1, 2)])
def test_deformable_convolutions_sample_where_the_offsets_point(stride, padding, dilation, groups, offset_groups):
    x, weight = uniform(2, 4, 5, 6), uniform(4, 4 // groups, 3, 3)
    height, width = ((size + 2 * padding - 2 * dilation - 1) // stride + 1 for size in (5, 6))
    offset = uniform(2, offset_groups * 18, height, width, low=-1.5, high=1.5)
    mask = uniform(2, offset_groups * 9, height, width, low=0)
    setting = (stride, padding, dilation, groups, offset_groups)
    torch.testing.assert_close(ops.deform_conv2d(x, offset, weight, *setting),
                               deform_conv_by_loops(x, offset, weight, None, *setting))
    bias = uniform(4)
    torch.testing.assert_close(ops.modulated_deform_conv2d(x, offset, mask, weight, bias, *setting),
                               deform_conv_by_loops(x, offset, weight, mask, *setting) + bias[:, None, None])


@pytest.mark.parametrize('with_bias', [True, False])
def test_gradients_of_deformable_convolutions(with_bias):
    x, weight, offset = uniform(1, 2, 4, 4), uniform(2, 2, 3, 3), uniform(1, 18, 4, 4, low=-0.8, high=0.8)
    mask, bias = uniform(1, 9, 4, 4, low=0), uniform(2)
    inputs = [tensor.requires_grad_() for tensor in (x, offset, weight)]
    assert gradcheck(lambda x, offset, weight: ops.deform_conv2d(x, offset, weight, 1, 1), inputs)
    inputs = [x, offset, mask.requires_grad_(), weight, bias.requires_grad_() if with_bias else None]
    assert gradcheck(lambda *inputs: ops.modulated_deform_conv2d(*inputs, 1, 1), inputs)


def test_the_gradient_of_a_deformable_convolutions_weight_alone_is_the_same():
    x, offset, weight = uniform(2, 2, 4, 4), uniform(2, 18, 4, 4), uniform(3, 2, 3, 3).requires_grad_()
    alone, = torch.autograd.grad(ops.deform_conv2d(x, offset, weight, 1, 1).square().sum(), weight)
    output = ops.deform_conv2d(x.requires_grad_(), offset.requires_grad_(), weight, 1, 1)
    for _ in range(2):  # a graph that is kept, with another gradient the second time
        _, _, twice = torch.autograd.grad(output, (x, offset, weight), 2 * output, retain_graph=True)
        _, _, thrice = torch.autograd.grad(output, (x, offset, weight), 3 * output, retain_graph=True)
        torch.testing.assert_close(twice, alone)
        torch.testing.assert_close(thrice, alone * 1.5)


def test_a_masked_convolution_is_the_convolution_at_the_masked_pixels():
    conv = ops.MaskedConv2d(3, 5, (3, 5), padding=(1, 2)).double()
    x, mask = uniform(1, 3, 6, 7), torch.randint(0, 2, (1, 6, 7))
    with torch.no_grad():
        torch.testing.assert_close(conv(x, mask), conv(x) * mask)
        assert not conv(x, torch.zeros_like(mask)).any()


# --- Attention ---


def test_deformable_attention_and_its_gradients_are_those_of_mmcvs_python():
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction, multi_scale_deformable_attn_pytorch
    shapes = torch.tensor([[3, 4], [2, 2]])
    inputs = [uniform(2, 16, 2, 3), uniform(2, 5, 2, 2, 3, 2, low=0), uniform(2, 5, 2, 2, 3, low=0)]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    outputs = [MultiScaleDeformableAttnFunction.apply(inputs[0], shapes, torch.tensor([0, 12]), *inputs[1:], 64),
               multi_scale_deformable_attn_pytorch(inputs[0], shapes, *inputs[1:])]
    assert torch.equal(*outputs)
    for found, expected in zip(*(torch.autograd.grad(output.square().sum(), inputs) for output in outputs)):
        torch.testing.assert_close(found, expected)


# --- The rest ---


def test_every_other_operator_exists_and_stops_with_one_error_that_names_it_and_its_caller():
    assert operators.carafe_forward.__name__ == 'carafe_forward'
    with pytest.raises(NotImplementedError) as error:
        ops.SAConv2d  # noqa: B018  a module in Python, which needs nothing of its own
        torch.nn.functional.interpolate(operators.carafe_forward(torch.ones(1)))
    assert str(error.value).startswith(f"mmcv's operator carafe_forward, called by {__name__}, line ")
    assert 'make setup COMPILE_MMCV=1' in str(error.value)


def test_the_caller_of_an_absent_operator_is_the_first_code_outside_of_mmcv(monkeypatch):
    import sys
    monkeypatch.setattr(sys.modules['mmcv.ops.psa_mask'], 'ext_module', operators)
    with pytest.raises(NotImplementedError, match=rf'psamask_forward, called by {__name__}, line'):
        ops.PSAMask('collect', (3, 3))(torch.ones(1, 9, 2, 2))


def test_dunder_names_are_no_operators():
    assert not hasattr(operators, '__file_that_is_not__') and not hasattr(operators, '_private')
