"""A Caffe network as its prototxt has it: written as text and, bit by bit, in binary; and computed layer by layer.

Nothing here comes from the package: the field numbers are those of ``caffe.proto``, the layers compute what Caffe's
sources do. The networks below have the names and the order of the layers of the released prototxts and fewer channels.
"""

import math
import struct

import numpy as np
import torch
import torch.nn.functional as F

# caffe.proto: the message of a layer's settings in LayerParameter, and the numbers of its fields.
SETTINGS = {
    'convolution_param': (106, dict(num_output=1, bias_term=2, pad=3, kernel_size=4, group=5, stride=6)),
    'dropout_param': (108, dict(dropout_ratio=1)),
    'inner_product_param': (117, dict(num_output=1)),
    'pooling_param': (121, dict(pool=1, kernel_size=2, stride=3, pad=4, global_pooling=12)),
    'reshape_param': (133, dict(shape=1)),
    'batch_norm_param': (139, dict(use_global_stats=1, eps=3)),
    'scale_param': (142, dict(axis=1, bias_term=4)),
    'input_param': (143, dict(shape=1)),
    'cudnn_batch_norm_param': (200, dict(frozen=1, momentum=2, eps=3)),
}
POOL = {'MAX': 0, 'AVE': 1}
# What each layer of a module of SE-BN-Inception has for channels, an eighth of the released ones.
INCEPTION = {
    '3a': (8, 8, 8, 8, 12, 12, 'AVE', 4), '3b': (8, 8, 12, 8, 12, 12, 'AVE', 8), '3c': (0, 16, 20, 8, 12, 12, 'MAX', 0),
    '4a': (28, 8, 12, 12, 16, 16, 'AVE', 16), '4b': (24, 12, 16, 12, 16, 16, 'AVE', 16),
    '4c': (20, 16, 20, 16, 20, 20, 'AVE', 16), '4d': (12, 16, 24, 20, 24, 24, 'AVE', 16),
    '4e': (0, 16, 24, 24, 32, 32, 'MAX', 0),
    '5a': (44, 24, 40, 20, 28, 28, 'AVE', 16), '5b': (44, 24, 40, 24, 28, 28, 'MAX', 16),
}


class Net:
    """Layers with random parameters.

    Args:
        size: (H, W) of the image.
        seed: Of the parameters.
        colours: Channels of the image.
    """

    def __init__(self, size, seed=0, colours=3):
        self.layers, self.size = [], size
        self._channels, self._random = {'data': colours}, np.random.default_rng(seed)
        self.add('data', 'Input', [], input_param=dict(shape=[1, colours, *size]))

    def add(self, name, kind, bottoms, top=None, blobs=(), **settings):
        self.layers.append(dict(name=name, type=kind, bottoms=bottoms, top=top or name, blobs=list(blobs),
                                settings=settings))
        self._channels.setdefault(top or name, self._channels[bottoms[0]] if bottoms else 3)
        return top or name

    def uniform(self, low, high, *shape):
        return self._random.uniform(low, high, shape).astype(np.float32)

    def conv(self, name, bottom, channels, kernel, stride=1, group=1, bias=False, pad=None, kind='Convolution'):
        fan_in = self._channels[bottom] // group * kernel * kernel
        limit = math.sqrt(6 / fan_in)
        blobs = [self.uniform(-limit, limit, channels, self._channels[bottom] // group, kernel, kernel)]
        if bias:
            blobs.append(self.uniform(-1, 1, channels))
        settings = dict(num_output=channels, **({} if bias else dict(bias_term=False)),
                        pad=kernel // 2 if pad is None else pad, kernel_size=kernel, group=group, stride=stride)
        self._channels[name] = channels
        return self.add(name, kind, [bottom], blobs=blobs, convolution_param=settings)

    def norm(self, layer):
        """SENet's: two layers that write where they read."""
        c, factor = self._channels[layer], np.float32([999.98236])
        self.add(f'{layer}/bn', 'BatchNorm', [layer], layer, batch_norm_param=dict(use_global_stats=True), blobs=[
            self.uniform(-0.3, 0.3, c) * factor, self.uniform(0.5, 1.5, c) * factor, factor])
        self.add(f'{layer}/bn/scale', 'Scale', [layer], layer, scale_param=dict(bias_term=True),
                 blobs=[self.uniform(0.5, 1.5, c), self.uniform(-0.5, 0.5, c)])
        return layer

    def cudnn_norm(self, layer):
        """GENet's: one layer."""
        shape = (1, self._channels[layer], 1, 1)
        return self.add(f'{layer}/bn', 'CuDNNBatchNorm', [layer], cudnn_batch_norm_param=dict(frozen=False), blobs=[
            self.uniform(0.5, 1.5, *shape), self.uniform(-0.5, 0.5, *shape),
            self.uniform(-0.3, 0.3, *shape), self.uniform(0.5, 1.5, *shape)])

    def relu(self, name, top):
        return self.add(name, 'ReLU', [top], top)

    def pool(self, name, bottom, kind, kernel=3, stride=1, pad=0):
        return self.add(name, 'Pooling', [bottom],
                        pooling_param=dict(pool=kind, kernel_size=kernel, stride=stride, pad=pad))

    def global_pool(self, name, bottom):
        return self.add(name, 'Pooling', [bottom], pooling_param=dict(pool='AVE', global_pooling=True))

    def classifier(self, bottom, classes, name='classifier'):
        return self.add(name, 'InnerProduct', [bottom], inner_product_param=dict(num_output=classes), blobs=[
            self.uniform(-0.5, 0.5, classes, self._channels[bottom]), self.uniform(-1, 1, classes)])

    def gate(self, name, pooled, ratio=4):
        """The two layers of SE."""
        channels = self._channels[pooled]
        self.conv(f'{name}1x1_down', pooled, max(1, channels // ratio), 1, bias=True)
        self.relu(f'{name}1x1_down/relu', f'{name}1x1_down')
        return self.conv(f'{name}1x1_up', f'{name}1x1_down', channels, 1, bias=True)

    def channels(self, top):
        return self._channels[top]

    # Text.

    def prototxt(self):
        return f'name: "narrow"\n# mean_value: 104, 117, 123\n{"".join(map(_text, self.layers))}'

    # Binary: a field is its number and wire type, then the number, or the length and as many bytes.

    def caffemodel(self, blob=None):
        layers = (length_delimited(100, _layer(layer, blob or packed)) for layer in self.layers)
        return length_delimited(1, b'narrow') + b''.join(layers)

    # Values.

    @torch.no_grad()
    def scores(self, image):
        tops = {}
        for layer in self.layers:
            bottoms = [tops[name] for name in layer['bottoms']] or [image]
            blobs = [torch.from_numpy(blob) for blob in layer['blobs']]
            param = next(iter(layer['settings'].values()), {})
            tops[layer['top']] = COMPUTE[layer['type']](bottoms, blobs, param)
        return tops['classifier']

    def layer(self, name):
        return next(layer for layer in self.layers if layer['name'] == name)


def _text(layer):
    def value(item):
        return str(item).lower() if isinstance(item, bool) else str(item)

    lines = [f'name: "{layer["name"]}"', f'type: "{layer["type"]}"',
             *(f'bottom: "{name}"' for name in layer['bottoms']), f'top: "{layer["top"]}"']
    for message, fields in layer['settings'].items():
        inner = [f'shape {{ {" ".join(f"dim: {size}" for size in item)} }}' if key == 'shape'
                 else f'{key}: {value(item)}' for key, item in fields.items()]
        lines.append(f'{message} {{ {" ".join(inner)} }}')
    # Fields that we do not read.
    return 'layer {\n  ' + '\n  '.join(lines) + '\n  param { lr_mult: 1 decay_mult: 0 }\n  phase: TEST\n}\n'


def varint(number):
    out = b''
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def length_delimited(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def _setting(field, value):
    if isinstance(value, float):
        return varint(field << 3 | 5) + struct.pack('<f', value)
    if isinstance(value, list):
        return length_delimited(field, shape(value))
    return varint(field << 3) + varint(POOL[value] if isinstance(value, str) else int(value))


def shape(dims):
    return length_delimited(1, b''.join(varint(dim % 2**64) for dim in dims))


def packed(values, dims=None):
    """BlobProto: shape = 7, data = 5, packed."""
    dims = shape(values.shape if dims is None else dims)
    return length_delimited(7, dims) + length_delimited(5, values.astype('<f4').tobytes())


def _layer(layer, blob):
    names = [(1, layer['name']), (2, layer['type']), *((3, name) for name in layer['bottoms']), (4, layer['top'])]
    out = b''.join(length_delimited(field, name.encode()) for field, name in names)
    out += b''.join(length_delimited(7, blob(values)) for values in layer['blobs'])
    for message, fields in layer['settings'].items():
        field, numbers = SETTINGS[message]
        out += length_delimited(field, b''.join(_setting(numbers[key], value) for key, value in fields.items()))
    return out


def _convolution(bottoms, blobs, p):
    weight, *bias = (blob.to(bottoms[0].dtype) for blob in blobs)
    return F.conv2d(bottoms[0], weight, *bias, stride=p['stride'], padding=p['pad'], groups=p['group'])


def _batch_norm(bottoms, blobs, p):
    # Caffe multiplies by the reciprocal of the factor.
    mean, variance = (_per_channel(blob * (1 / blobs[2])).to(bottoms[0].dtype) for blob in blobs[:2])
    return (bottoms[0] - mean) / (variance + p.get('eps', 1e-5)).sqrt()


def _cudnn_batch_norm(bottoms, blobs, p):
    scale, shift, mean, variance = (_per_channel(blob).to(bottoms[0].dtype) for blob in blobs)
    return scale * (bottoms[0] - mean) / (variance + p.get('eps', 1e-5)).sqrt() + shift


def _scale(bottoms, blobs, p):
    if len(bottoms) == 2:  # SE-BN-Inception's gates
        return bottoms[0] * bottoms[1][:, :, None, None]
    return bottoms[0] * _per_channel(blobs[0]) + _per_channel(blobs[1])


def _per_channel(values):
    return values.reshape(1, -1, 1, 1)


def _pooling(bottoms, blobs, p):
    x = bottoms[0]
    if p.get('global_pooling'):
        return x.mean((2, 3), keepdim=True)
    kernel, stride, pad = p['kernel_size'], p['stride'], p['pad']
    sizes = [math.ceil((size + 2 * pad - kernel) / stride) + 1 for size in x.shape[2:]]
    if pad:  # the last window must begin inside of the image or its left padding
        sizes = [count - ((count - 1) * stride >= size + pad) for count, size in zip(sizes, x.shape[2:])]
    out = x.new_empty(*x.shape[:2], *sizes)
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            top, left = row * stride - pad, column * stride - pad
            bottom, right = min(top + kernel, x.shape[2] + pad), min(left + kernel, x.shape[3] + pad)
            window = x[:, :, max(top, 0):bottom, max(left, 0):right]
            out[:, :, row, column] = (window.amax((2, 3)) if p['pool'] == 'MAX'
                                      else window.sum((2, 3)) / ((bottom - top) * (right - left)))
    return out


def _inner_product(bottoms, blobs, p):
    weight, bias = (blob.to(bottoms[0].dtype) for blob in blobs)
    return bottoms[0].flatten(1) @ weight.t() + bias


COMPUTE = {
    'Input': lambda bottoms, blobs, p: bottoms[0],
    'Convolution': _convolution,
    'DepthwiseConvolution': _convolution,
    'BatchNorm': _batch_norm,
    'CuDNNBatchNorm': _cudnn_batch_norm,
    'Scale': _scale,
    'ReLU': lambda bottoms, blobs, p: bottoms[0].clamp(min=0),
    'Sigmoid': lambda bottoms, blobs, p: 1 / (1 + torch.exp(-bottoms[0])),
    'Pooling': _pooling,
    'Axpy': lambda bottoms, blobs, p: bottoms[0] * bottoms[1] + bottoms[2],
    'Concat': lambda bottoms, blobs, p: torch.cat(bottoms, 1),
    'Reshape': lambda bottoms, blobs, p: bottoms[0].flatten(1),
    'Dropout': lambda bottoms, blobs, p: bottoms[0],
    'InnerProduct': _inner_product,
}


def _head(net, bottom, classes, pool='pool5/7x7_s1', dropout=False):
    # On images of 224 the prototxts' 7x7 pool spans the map, which is what it is meant to do.
    bottom = net.pool(pool, bottom, 'AVE', 7) if net.size == (224, 224) else net.global_pool(pool, bottom)
    if dropout:
        net.add('pool5/dropout_7x7_s1', 'Dropout', [bottom], bottom, dropout_param=dict(dropout_ratio=0.2))
    net.classifier(bottom, classes)
    return net


def _se_units(net, bottom, blocks, width, group=1, inner=1, first=1, spatial_stride=False, projection=1):
    """Stages of bottlenecks; widths inside are ``inner`` times the planes, after the first 1x1 ``first`` times."""
    for stage, count in enumerate(blocks, 2):
        planes = width * 2**(stage - 2)
        for block in range(1, count + 1):
            name = f'conv{stage}_{block}'
            stride = 2 if stage > 2 and block == 1 else 1
            first_stride, second_stride = (1, stride) if spatial_stride else (stride, 1)
            net.norm(net.conv(f'{name}_1x1_reduce', bottom, int(planes * first), 1, first_stride))
            net.relu(f'{name}_1x1_reduce/relu', f'{name}_1x1_reduce')
            net.norm(net.conv(f'{name}_3x3', f'{name}_1x1_reduce', int(planes * inner), 3, second_stride, group))
            net.relu(f'{name}_3x3/relu', f'{name}_3x3')
            net.norm(net.conv(f'{name}_1x1_increase', f'{name}_3x3', 4 * planes, 1))
            gate = net.gate(f'{name}_', net.global_pool(f'{name}_global_pool', f'{name}_1x1_increase'))
            net.add(f'{name}_prob', 'Sigmoid', [gate], gate)
            shortcut = bottom
            if block == 1:
                kernel = projection if stride == 2 else 1
                shortcut = net.norm(net.conv(f'{name}_1x1_proj', bottom, 4 * planes, kernel, stride))
            bottom = net.relu(f'{name}/relu', net.add(name, 'Axpy', [gate, f'{name}_1x1_increase', shortcut]))
    return bottom


def _stem(net, channels, norm):
    top = norm(net.conv('conv1/7x7_s2', 'data', channels, 7, 2))
    return net.pool('pool1/3x3_s2', net.relu('conv1/relu_7x7_s2', top), 'MAX', 3, 2)


def se_resnet(blocks, size=(224, 224), classes=10, width=8, colours=3):
    net = Net(size, colours=colours)
    return _head(net, _se_units(net, _stem(net, width, net.norm), blocks, width), classes)


def se_resnext(blocks, size=(224, 224), classes=10):
    net = Net(size)
    stem = _stem(net, 8, net.norm)
    return _head(net, _se_units(net, stem, blocks, 8, group=4, inner=2, first=2, spatial_stride=True), classes)


def senet(blocks, size=(224, 224), classes=10):
    net = Net(size)
    top = 'data'
    for name, channels, stride in (('conv1_1/3x3_s2', 8, 2), ('conv1_2/3x3', 8, 1), ('conv1_3/3x3', 16, 1)):
        top = net.relu(f'{name.replace("/", "/relu_")}', net.norm(net.conv(name, top, channels, 3, stride)))
    top = net.pool('pool1/3x3_s2', top, 'MAX', 3, 2)
    top = _se_units(net, top, blocks, 8, group=8, inner=4, first=2, spatial_stride=True, projection=3)
    return _head(net, top, classes, dropout=True)


def se_bn_inception(size=(224, 224), classes=10):
    net = Net(size)

    def layer(name, bottom, channels, kernel, stride=1):
        top = net.norm(net.conv(name, bottom, channels, kernel, stride))
        module, _, part = name.partition('/')
        return net.relu(f'{module}/relu_{part}', top)

    top = net.pool('pool1/3x3_s2', layer('conv1/7x7_s2', 'data', 8, 7, 2), 'MAX', 3, 2)
    top = layer('conv2/3x3', layer('conv2/3x3_reduce', top, 8, 1), 24, 3)
    top = net.pool('pool2/3x3_s2', top, 'MAX', 3, 2)
    for module, (one, reduce, three, double_reduce, double_a, double_b, pool, proj) in INCEPTION.items():
        name, stride = f'inception_{module}', 1 if one else 2
        branches = [layer(f'{name}/1x1', top, one, 1)] if one else []
        branches.append(layer(f'{name}/3x3', layer(f'{name}/3x3_reduce', top, reduce, 1), three, 3, stride))
        inner = layer(f'{name}/double3x3a', layer(f'{name}/double3x3_reduce', top, double_reduce, 1), double_a, 3)
        branches.append(layer(f'{name}/double3x3b', inner, double_b, 3, stride))
        pooled = net.pool(f'{name}/pool', top, pool, 3, stride, 2 - stride)
        branches.append(layer(f'{name}/pool_proj', pooled, proj, 1) if proj else pooled)
        joined = net.add(f'{name}/concat', 'Concat', branches)
        net._channels[joined] = sum(map(net.channels, branches))
        gate = net.gate(f'{name}_', net.global_pool(f'{name}_global_pool', joined))
        net.add(f'{name}_prob', 'Sigmoid', [gate], gate)
        flat = net.add(f'{name}_prob_reshape', 'Reshape', [gate], reshape_param=dict(shape=[0, 0]))
        top = net.add(f'{name}_scale', 'Scale', [joined, flat], f'{name}/output',
                      scale_param=dict(axis=0, bias_term=False))
    return _head(net, top, classes)


def genet(variant, blocks, size=(224, 224), classes=10):
    """``'GEPF'``, ``'GEP'`` or ``'GEPP'``."""
    net = Net(size)
    bottom = net.cudnn_norm(net.conv('conv1/7x7_s2', 'data', 8, 7, 2))
    bottom = net.pool('pool1/3x3_s2', net.relu('conv1/7x7_s2/relu', bottom), 'MAX', 3, 2)
    for stage, count in enumerate(blocks, 2):
        planes = 8 * 2**(stage - 2)
        map_size = size[0] // 2**stage
        for block in range(1, count + 1):
            name, stride = f'conv{stage}_{block}', 2 if stage > 2 and block == 1 else 1
            top = net.cudnn_norm(net.conv(f'{name}/1x1_reduce', bottom, planes, 1, stride))
            top = net.cudnn_norm(net.conv(f'{name}/3x3', net.relu(f'{name}/1x1_reduce/relu', top), planes, 3))
            top = net.cudnn_norm(net.conv(f'{name}/1x1_increase', net.relu(f'{name}/3x3/relu', top), 4 * planes, 1))
            if variant == 'GEPF':
                gate = net.global_pool(f'{name}/gather', top)
            else:
                gate = net.cudnn_norm(net.conv(f'{name}/gather', top, 4 * planes, map_size, group=4 * planes, pad=0,
                                               kind='DepthwiseConvolution'))
            if variant == 'GEPP':
                gate = net.gate(f'{name}/excite/', net.relu(f'{name}/gather/relu', gate))
            net.add(f'{name}/excite/sigmoid', 'Sigmoid', [gate], gate)
            shortcut = bottom
            if block == 1:
                shortcut = net.cudnn_norm(net.conv(f'{name}/1x1_proj', bottom, 4 * planes, 1, stride))
            bottom = net.relu(f'{name}/relu', net.add(f'{name}/axpy', 'Axpy', [gate, top, shortcut]))
    return _head(net, bottom, classes, 'avepool/7x7')

