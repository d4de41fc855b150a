"""Caffe's files: what they hold, and one clear sentence for everything that is none of them."""

import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from se_backbones.lab.caffe import check_fits, convert_caffemodel, read_caffemodel, read_prototxt, reader
from se_backbones.pretrained.errors import CheckpointError, LayoutError


@pytest.fixture
def net(caffe):
    return caffe.se_resnet((1,), (64, 64))


def unpacked(caffe, values):
    """A blob whose numbers are stored one by one, and whose shape is four numbers, as before 2014."""
    dims = (1,) * (4 - values.ndim) + values.shape
    return (b''.join(caffe.varint(field << 3) + caffe.varint(dim) for field, dim in enumerate(dims, 1))
            + b''.join(caffe.varint(5 << 3 | 5) + value.tobytes() for value in values.astype('<f4').ravel()))


def in_doubles(caffe, values):
    data = values.astype('<f8').tobytes()
    return caffe.length_delimited(7, caffe.shape(values.shape)) + caffe.length_delimited(8, data)


def in_two_parts(caffe, values):
    data = values.astype('<f4').tobytes()
    parts = (data[:len(data) // 8 * 4], data[len(data) // 8 * 4:])
    return caffe.length_delimited(7, caffe.shape(values.shape)) + b''.join(
        caffe.length_delimited(5, part) for part in parts)


def test_layers_come_with_type_settings_and_the_numbers_of_their_blobs(write, net):
    layers = read_caffemodel(write(net)[0])
    assert list(layers) == [layer['name'] for layer in net.layers]
    for layer in net.layers:
        read = layers[layer['name']]
        assert read.type == layer['type'] and list(read.settings.bottom) == layer['bottoms']
        assert len(read.blobs) == len(layer['blobs'])
        for blob, values in zip(read.blobs, layer['blobs']):
            assert blob.dtype == torch.float32 and np.array_equal(blob.numpy(), values)
    assert layers['conv1/7x7_s2'].settings.convolution_param.stride == [2]


@pytest.mark.parametrize('blob', [unpacked, in_doubles, in_two_parts])
def test_other_encodings_of_the_same_numbers_are_read(caffe, write, net, blob):
    wanted = read_caffemodel(write(net)[0])
    found = read_caffemodel(write(net, blob=lambda values: blob(caffe, values))[0])
    for name, layer in wanted.items():
        assert all(torch.equal(a.flatten(), b.flatten()) for a, b in zip(layer.blobs, found[name].blobs, strict=True))


def test_tensors_can_be_written_to(write, net):
    blob = read_caffemodel(write(net)[0])['conv1/7x7_s2'].blobs[0]
    blob.zero_()
    assert not blob.any()


def test_a_prototxt_describes_the_same_layers_and_unknown_fields_are_skipped(write, net):
    model, prototxt = write(net)
    layers, described = read_caffemodel(model), read_prototxt(prototxt)
    assert {name: layer.settings for name, layer in described.items()} == {
        name: layer.settings for name, layer in layers.items()}
    check_fits(layers, described)
    prototxt.write_text(prototxt.read_text() + 'layer { name: "new" type: "Mish" mish_param { a: [1, 2] b { c: X } } }')
    assert read_prototxt(prototxt)['new'].type == 'Mish'


def torch_file():
    buffer = io.BytesIO()
    torch.save({'weight': torch.zeros(2)}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(('content', 'said'), [
    (b'', 'is empty'),
    (b'<!DOCTYPE html><html>Google Drive - Virus scan warning</html>', 'is a web page'),
    (b'version https://git-lfs.github.com/spec/v1\noid', 'is a git-lfs pointer'),
    (pickle.dumps({'weight': [1.0]}), 'is a file of torch.save, or an archive'),
    (torch_file(), 'is a file of torch.save, or an archive'),
    (b'\xff' * 1000, 'is not a .caffemodel, or is truncated or damaged'),
    (b'just some text\n' * 50, 'is not a .caffemodel'),
    (b'\x0a\x03net', 'holds no layer with parameters'),
    (b'\x12\x06\x22\x04conv', 'the layer format that Caffe had until 2014'),
])
def test_what_is_no_caffemodel_is_refused_in_a_sentence(tmp_path, content, said):
    path = tmp_path / 'net.caffemodel'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_caffemodel(path)


@pytest.mark.parametrize(('content', 'said'), [
    (b'layer { name: "conv" ', 'is not a prototxt'),
    (b'layer { convolution_param { num_output: many } }', 'is not a prototxt'),
    (b'name: "net"', 'has no layer'),
    (b'\xff\xfe\x00', 'is not a prototxt'),
    (b'a {' * 50_000, 'is not a prototxt'),
    (b'<html></html>', 'is a web page'),
])
def test_what_is_no_prototxt_is_refused_in_a_sentence(tmp_path, content, said):
    path = tmp_path / 'net.prototxt'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_prototxt(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match='does not exist'):
        read_caffemodel(tmp_path / 'nothing')
    with pytest.raises(CheckpointError, match='cannot be read: Is a directory'):
        read_caffemodel(tmp_path)


def test_a_file_larger_than_protobuf_allows_is_refused_unread(write, net, monkeypatch):
    model = write(net)[0]
    monkeypatch.setattr(reader, '_MAX_BYTES', 1000)
    with pytest.raises(CheckpointError, match=rf'has {model.stat().st_size} bytes; Caffe writes 1000 at most'):
        read_caffemodel(model)


@pytest.mark.parametrize(('dims', 'said'), [
    ((8, 3, 7, 8), r'layer .conv1/7x7_s2. has the shape \(8, 3, 7, 8\), which does not go with its 1176 numbers'),
    ((-8, -3, 7, 7), r'has the shape -8, -3, 7, 7'),
    ((2**62, 2**62), r'has the shape 4611686018427387904, 4611686018427387904'),
    ((0, 2, 2**63 - 1), r'has the shape 0, 2, 9223372036854775807'),
    ((2, 589), r'has the shape \(2, 589\), which does not go with its 1176 numbers'),
    ((1,) * 33, r'has the shape 1, 1, 1'),
    ((), r'has the shape \(\), which does not go with its 1176 numbers'),
])
def test_a_shape_that_does_not_go_with_the_numbers_is_refused(caffe, write, net, dims, said):
    kernels = net.layer('conv1/7x7_s2')['blobs'][0]
    model, _ = write(net, blob=lambda values: caffe.packed(values, dims if values is kernels else None))
    with pytest.raises(CheckpointError, match=said):
        read_caffemodel(model)


def test_half_a_number_is_refused(caffe, write, net):
    def blob(values):
        return caffe.length_delimited(7, caffe.shape(values.shape)) + caffe.length_delimited(5, values.tobytes()[:-1])
    with pytest.raises(CheckpointError, match='not a multiple of 4'):
        read_caffemodel(write(net, blob=blob)[0])


def test_two_layers_of_one_name_are_refused_if_both_have_parameters(write, net):
    net.layers.append(net.layer('conv2_1_3x3'))
    with pytest.raises(CheckpointError, match="has two layers 'conv2_1_3x3' with parameters"):
        read_caffemodel(write(net)[0])


@settings(max_examples=60)
@given(part=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_never_read_whole(small_model, part):
    content, whole, path = small_model
    path.write_bytes(content[:int(part * len(content))])
    try:
        assert len(read_caffemodel(path)) < whole
    except CheckpointError:
        pass


@settings(max_examples=150)
@given(where=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_in_a_sentence(small_model, where, value):
    content, _, path = small_model
    place = int(where * len(content))
    path.write_bytes(content[:place] + bytes([value]) + content[place + 1:])
    try:
        convert_caffemodel(path)
    except (CheckpointError, LayoutError) as error:
        assert str(path) in str(error) or 'layer' in str(error) or 'norm' in str(error)


@pytest.fixture(scope='module')
def small_model(caffe, tmp_path_factory):
    """The bytes of a network of which names and lengths are a good part, its layers, and a path to write to."""
    net = caffe.se_resnet((1,), (64, 64), width=1, classes=2)
    return net.caffemodel(), len(net.layers), tmp_path_factory.mktemp('caffe') / 'net.caffemodel'


@pytest.mark.parametrize(('model', 'prototxt', 'said'), [
    ((1,), (2,), 'it describes parameters that the other has not, in conv2_2_1x1_reduce, '),
    ((2,), (1,), 'it does not describe parameters that the other has, in conv2_2_1x1_reduce, '),
])
def test_a_prototxt_of_another_depth_is_refused_by_its_layers(caffe, tmp_path, model, prototxt, said):
    paths = tmp_path / 'net.caffemodel', tmp_path / 'net.prototxt'
    paths[0].write_bytes(caffe.se_resnet(model, (64, 64)).caffemodel())
    paths[1].write_text(caffe.se_resnet(prototxt, (64, 64)).prototxt())
    with pytest.raises(LayoutError, match=said):
        convert_caffemodel(*paths)


@pytest.mark.parametrize(('old', 'new'), [
    ('num_output: 10 ', 'num_output: 11 '), ('kernel_size: 7', 'kernel_size: 5'),
    ('num_output: 8 bias_term: false pad: 3', 'num_output: 8 pad: 3'), ('bias_term: true', 'bias_term: false'),
])
def test_a_prototxt_of_other_sizes_is_refused_by_its_layers(write, net, old, new):
    model, prototxt = write(net)
    text = prototxt.read_text()
    assert old in text
    prototxt.write_text(text.replace(old, new))
    with pytest.raises(LayoutError, match='it describes parameters of another shape in (conv1/7x7_s2|classifier)'):
        convert_caffemodel(model, prototxt)


def test_a_layer_name_that_is_no_text_is_refused(write, net):
    model = write(net)[0]
    model.write_bytes(model.read_bytes().replace(b'conv2_1_3x3/relu', b'conv2_1_3x3\xff\xferel'))
    with pytest.raises(CheckpointError, match='is not text|truncated or damaged'):
        read_caffemodel(model)
