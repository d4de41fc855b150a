"""BN-Inception equals a second writing of the prototxt's table, and has the released network's widths and counts."""

import pytest
import torch
import torch.nn.functional as F

from helpers import init_from
from se_backbones.models.backbones.bn_inception import BNInception, StridedMaxPool

SE = dict(op=dict(type='SqueezeExcite'))
PASSES, READS, MAX = 'stride 2', 'average', 'max'
# Channels of 1x1; 3x3 reduce, 3x3; double 3x3 reduce, a, b; projection, and what the pool does.
TABLE = {
    '3a': (64, 64, 64, 64, 96, 96, 32, READS),
    '3b': (64, 64, 96, 64, 96, 96, 64, READS),
    '3c': (0, 128, 160, 64, 96, 96, 0, PASSES),
    '4a': (224, 64, 96, 96, 128, 128, 128, READS),
    '4b': (192, 96, 128, 96, 128, 128, 128, READS),
    '4c': (160, 128, 160, 128, 160, 160, 128, READS),
    '4d': (96, 128, 192, 160, 192, 192, 128, READS),
    '4e': (0, 128, 192, 192, 256, 256, 0, PASSES),
    '5a': (352, 192, 320, 160, 224, 224, 128, READS),
    '5b': (352, 192, 320, 192, 224, 224, 128, MAX),
}
OUTPUTS = {'3b': 1, '4d': 2, '5b': 3}


def from_the_table(state, x, training):
    """Return the maps of stages 0 to 3, computed with nothing but torch's functions."""
    def conv(name, x, channels, size=1, stride=1):
        weight = state[f'{name}.conv.weight']
        assert weight.shape == (channels, x.shape[1], size, size)
        x = F.conv2d(x, weight, None, stride, size // 2)
        mean, var, gamma, beta = (state[f'{name}.bn.{part}'].clone()
                                  for part in ('running_mean', 'running_var', 'weight', 'bias'))
        return F.relu(F.batch_norm(x, mean, var, gamma, beta, training))

    def caffe_max(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def caffe_average(x):
        return F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 1)  # the zeros count

    def squeeze_excite(name, x):
        w1, b1, w2, b2 = (state[f'{name}.context.standard.excite.{part}']
                          for part in ('down.weight', 'down.bias', 'up.weight', 'up.bias'))
        z = F.relu(x.mean((2, 3)) @ w1.flatten(1).T + b1)
        return x * torch.sigmoid(z @ w2.flatten(1).T + b2)[:, :, None, None]

    x = caffe_max(conv('conv1_7x7_s2', x, 64, 7, 2))
    x = conv('conv2_3x3', conv('conv2_3x3_reduce', x, 64), 192, 3)
    maps = [x]
    x = caffe_max(x)
    for module, (one, reduce3, three, reduce_double, double_a, double_b, proj, pool) in TABLE.items():
        name, stride = f'inception_{module}', 2 if pool == PASSES else 1
        b1 = conv(f'{name}.1x1', x, one) if one else x[:, :0, ::2, ::2]
        b2 = conv(f'{name}.3x3', conv(f'{name}.3x3_reduce', x, reduce3), three, 3, stride)
        b3 = conv(f'{name}.double3x3a', conv(f'{name}.double3x3_reduce', x, reduce_double), double_a, 3)
        b3 = conv(f'{name}.double3x3b', b3, double_b, 3, stride)
        b4 = {PASSES: caffe_max, READS: caffe_average, MAX: lambda x: F.max_pool2d(x, 3, 1, 1)}[pool](x)
        b4 = conv(f'{name}.pool_proj', b4, proj) if proj else b4
        x = squeeze_excite(name, torch.cat([b1, b2, b3, b4], 1))
        if module in OUTPUTS:
            maps.append(x)
    return maps


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('size', [224, (96, 160)], ids=str)
def test_network_equals_the_table(size, training):
    net = BNInception(context=SE, out_indices=(0, 1, 2, 3)).train(training)
    for name, tensor in net.state_dict().items():
        if 'bn.' in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}  # before statistics are updated
    images = torch.randn(2, 3, *(size if isinstance(size, tuple) else (size, size)))
    with torch.no_grad():
        for ours, theirs in zip(net(images), from_the_table(state, images, training), strict=True):
            assert ours.shape == theirs.shape
            # float32 rounding over a deep network, relative to the map's largest value
            assert (ours - theirs).abs().max() <= 2e-5 * theirs.abs().max()


def parameters(classes=1000, **kwargs):
    with torch.device('meta'):
        net = BNInception(**kwargs)
    return sum(p.numel() for p in net.parameters()) + (net.feature_info[-1].channels + 1) * classes


def test_parameter_count_is_the_released_network():
    assert parameters(context=SE) == 11_931_622


def test_hidden_widths_are_not_rounded():
    with torch.device('meta'):
        net = BNInception(context=SE)
    units = [m for name, m in net.named_children() if name.startswith('inception')]
    assert [unit.context['standard'].excite.down.out_channels for unit in units] == [
        16, 20, 36, 36, 36, 38, 38, 66, 64, 64]


def test_strided_pool_is_caffes_on_even_maps_and_fits_the_convolutions_on_odd_ones():
    pool = StridedMaxPool()
    for size in (2, 6, 14, 28):
        x = torch.randn(1, 2, size, size + 2)
        assert torch.equal(pool(x), F.max_pool2d(x, 3, 2, ceil_mode=True))
    for size in (1, 3, 7, 15):
        x = torch.randn(1, 2, size, size) - 9
        out = pool(x)
        assert out.shape[-1] == (size + 1) // 2
        assert out[0, 0, -1, -1] == x[0, 0, -1, -1]  # the row and column that were added never win


@pytest.mark.parametrize('depth', [(1, 1, 1), (2, 1, 2)], ids=str)
def test_gated_stride_2_module_before_another_is_not_inserted(depth, tmp_path):
    """The max pools of both pass values through: no layer in between makes up for the gate."""
    init = init_from(BNInception(depth, widen_factor=1 / 16), tmp_path)
    net = BNInception(depth, SE, widen_factor=1 / 16, init_cfg=init)
    with pytest.raises(ValueError, match=r'Cannot insert inception_3c.context.standard .* because the max pool of this '
                                         r'stride-2 module .*insertion="fresh".*leave it out \(context.stages\)'):
        net.init_weights()


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(depth=(2, 6, 3)), r'depth must be a tuple .* at most \(2, 5, 3\), got \(2, 6, 3\)'),
    (dict(depth=10), r'depth must be a tuple .* got 10'),
    (dict(depth=(2, 0, 3)), r'depth\[...\] must be an int of at least 1, got 0'),
    (dict(context=dict(SE, stages=(True, False, False, False))), r'context.stages=.* selects no block'),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        BNInception(**kwargs)
