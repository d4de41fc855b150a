"""Caffe's two files: the ``.caffemodel`` with the numbers, and the ``.prototxt`` that describes the network as text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message
from torch import Tensor

from se_backbones.lab.caffe.schema import message_class
from se_backbones.pretrained.errors import CheckpointError, LayoutError
from se_backbones.pretrained.file_kinds import HEAD, not_weights
from se_backbones.utils.validation import first_few

# protobuf's own limit of a message.
_MAX_BYTES = 2**31 - 1
# The largest prototxt of a released network, SENet-154's, has 150 kB.
_MAX_TEXT_BYTES = 2**24
# Caffe's own limit of a blob.
_MAX_DIMS = 32


@dataclass(frozen=True)
class Layer:
    """A layer of a Caffe network.

    Attributes:
        name, type: Such as ``'conv2_1_3x3/bn'`` and ``'BatchNorm'``.
        blobs: Its parameters, float32; empty for a layer without any, and where a prototxt was read.
        settings: Its ``LayerParameter`` without the blobs.
    """

    name: str
    type: str
    blobs: tuple[Tensor, ...]
    settings: Message


def read_caffemodel(path: str | Path) -> dict[str, Layer]:
    """Return the layers of a ``.caffemodel`` by name, in the order of the file.

    Args:
        path: Of the file; ``~`` is the home folder.

    Raises:
        CheckpointError: It is not such a file, is damaged, or a blob's shape and numbers disagree.
    """
    path = Path(path).expanduser()
    network = message_class('NetParameter')()
    try:
        network.ParseFromString(_read(path, _MAX_BYTES))
        layers: dict[str, Layer] = {}
        for message in network.layer:
            layer = _layer(message, path)
            if layer.blobs and layer.name in layers and layers[layer.name].blobs:
                raise CheckpointError(f'{path} is damaged: it has two layers {layer.name!r} with parameters.')
            # A network may have one layer for training and one for testing under the same name.
            if layer.blobs or layer.name not in layers:
                layers[layer.name] = layer
    except (DecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f'{path} is not a .caffemodel, or is truncated or damaged ({error}).') from None
    if not layers and network.layers:
        raise CheckpointError(f"{path} has the layer format that Caffe had until 2014; rewrite it with Caffe's "
                              'upgrade_net_proto_binary.')
    if not any(layer.blobs for layer in layers.values()):
        raise CheckpointError(f'{path} is not a .caffemodel: it holds no layer with parameters.')
    return layers


def read_prototxt(path: str | Path) -> dict[str, Layer]:
    """Return the layers of a ``.prototxt`` by name; what we do not read of them is skipped.

    Raises:
        CheckpointError: It is not such a file.
    """
    path = Path(path).expanduser()
    try:
        network = text_format.Parse(_read(path, _MAX_TEXT_BYTES), message_class('NetParameter')(),
                                    allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError(f'{path} is not a prototxt ({error}).') from None
    layers = {message.name: _layer(message, path) for message in network.layer}
    if not layers:
        raise CheckpointError(f'{path} is not the prototxt of a network: it has no layer {{...}}.')
    return layers


def check_fits(layers: Mapping[str, Layer], described: Mapping[str, Layer]) -> None:
    """Hold the layers of a ``.caffemodel`` against those of a ``.prototxt``.

    Raises:
        LayoutError: A layer with parameters is in one of them only, or has another shape in the other.
    """
    expected = {name: shapes for name, layer in described.items() if (shapes := _described_shapes(layer))}
    found = {name: layer for name, layer in layers.items() if layer.blobs}
    for one, other, text in ((expected, found, 'describes parameters that the other has not'),
                             (found, expected, 'does not describe parameters that the other has')):
        if names := [name for name in one if name not in other]:
            raise LayoutError(f'The prototxt does not belong to the .caffemodel: it {text}, in {first_few(names)}.')
    misfits = [name for name, shapes in expected.items() if not _fit(found[name].blobs, shapes)]
    if misfits:
        name = misfits[0]
        raise LayoutError(
            f'The prototxt does not belong to the .caffemodel: it describes parameters of another shape in '
            f'{first_few(misfits)}. {name} has {_shapes(found[name].blobs)} in the .caffemodel.')


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open('rb') as file:
            head = file.read(HEAD)
            size = path.stat().st_size
            if size > most:
                raise CheckpointError(f'{path} has {size} bytes; Caffe writes {most} at most.')
            if not head:
                raise CheckpointError(f'{path} is empty. Fetch it again.')
            instead = not_weights(head)
            if not instead and head.startswith((b'PK', b'\x80')):
                instead = 'a file of torch.save, or an archive'
            if instead:
                raise CheckpointError(f"{path} is {instead}, not a file of Caffe's.")
            return head + file.read()
    except FileNotFoundError:
        raise CheckpointError(f'{path} does not exist.') from None
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read: {error.strerror}.') from error


def _layer(message: Message, path: Path) -> Layer:
    # protobuf returns bytes that are no UTF-8 as they are.
    if not all(isinstance(text, str) and text.isprintable() for text in (message.name, message.type)):
        raise CheckpointError(f'{path} is damaged: the name of a layer, {ascii(message.name)[:80]}, is not text.')
    blobs = tuple(_blob(blob, f'{path} is damaged: blob {number} of layer {message.name!r}')
                  for number, blob in enumerate(message.blobs))
    # A copy: the original lives in the memory of the whole file, which is given back once it is read.
    settings = message_class('LayerParameter')()
    message.ClearField('blobs')
    settings.CopyFrom(message)
    return Layer(settings.name, settings.type, blobs, settings)


def _blob(blob: Message, where: str) -> Tensor:
    shape = tuple(blob.shape.dim) if blob.HasField('shape') else (blob.num, blob.channels, blob.height, blob.width)
    # Also where a size of 0 leaves no numbers: torch multiplies the others all the same.
    if any(dim < 0 for dim in shape) or len(shape) > _MAX_DIMS or math.prod(max(1, dim) for dim in shape) > _MAX_BYTES:
        raise CheckpointError(f'{where} has the shape {first_few(map(str, shape))}.')
    values = _numbers(blob, 'data', '<f4', where)
    if not len(values):
        values = _numbers(blob, 'double_data', '<f8', where)
    if math.prod(shape) != len(values):
        raise CheckpointError(f'{where} has the shape ({", ".join(map(str, shape))}), which does not go with its '
                              f'{len(values)} numbers.')
    # A copy, as torch wants to be able to write; float32 is what Caffe computes in.
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def _numbers(blob: Message, name: str, dtype: str, where: str) -> np.ndarray:
    chunks = getattr(blob, name)
    data = chunks[0] if len(chunks) == 1 else b''.join(chunks)
    size = np.dtype(dtype).itemsize
    if len(data) % size:
        raise CheckpointError(f'{where} has {len(data)} bytes, not a multiple of {size}.')
    if data:
        return np.frombuffer(data, dtype)
    # protobuf allows writers to store each number by itself; then they do not pass for bytes.
    numbers = getattr(message_class('BlobNumbers').FromString(blob.SerializeToString()), name)
    return np.fromiter(numbers, dtype, len(numbers))


def _described_shapes(layer: Layer) -> list[tuple[int | None, ...]]:
    """Return what is known of the shapes of the parameters that a described layer has; None: it does not say."""
    if layer.type in ('Convolution', 'DepthwiseConvolution'):
        param = layer.settings.convolution_param
        kernel = tuple(param.kernel_size) or (param.kernel_h, param.kernel_w)
        weight = (param.num_output, None, *(kernel * 2)[:2])
    elif layer.type == 'InnerProduct':
        param = layer.settings.inner_product_param
        weight = (param.num_output, None)
    elif layer.type == 'Scale' and len(layer.settings.bottom) == 1:
        param = layer.settings.scale_param
        weight = (None,)
    else:
        return {'BatchNorm': [(None,), (None,), (1,)], 'CuDNNBatchNorm': [(None,)] * 4}.get(layer.type, [])
    return [weight, (weight[0],)] if param.bias_term else [weight]


def _fit(blobs: tuple[Tensor, ...], shapes: list[tuple[int | None, ...]]) -> bool:
    return len(blobs) == len(shapes) and all(map(_is, blobs, shapes))


def _is(blob: Tensor, shape: tuple[int | None, ...]) -> bool:
    dims = trimmed(blob, len(shape)).shape
    return len(dims) == len(shape) and all(want in (None, dim) for dim, want in zip(dims, shape))


def trimmed(blob: Tensor, dims: int) -> Tensor:
    """Return the blob with this many dimensions, if only dimensions of size 1 are in its way.

    Blobs used to have four at least: a bias was ``(1, 1, 1, C)``, a norm's parameter is ``(1, C, 1, 1)`` to this day.
    """
    shape = list(blob.shape)
    for end in (0, -1):
        while len(shape) > dims and shape[end] == 1:
            shape.pop(end)
    return blob.reshape(shape)


def _shapes(blobs: tuple[Tensor, ...]) -> str:
    return ', '.join('x'.join(map(str, blob.shape)) or 'one number' for blob in blobs)
