"""MindSpore's checkpoints, without MindSpore: the reader of its ``.ckpt``, and the keys of its GE-ResNet-50.

A ``.ckpt`` is one protobuf message (``checkpoint.proto``): repeated field 1 is a value with a tag (1) and a tensor (2)
of dims (repeated 1), type (2) and content (3). Of a large tensor each slice is a value of its own, under the same tag.

The network is that of ``mindspore-ai/mindspore``, ``model_zoo/research/cv/GENet_Res50/src``.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from se_backbones.pretrained.errors import CheckpointError, LayoutError
from se_backbones.pretrained.layouts.rules import Rules
from se_backbones.utils.validation import first_few

LAYOUT = 'mindspore'
# 'Float32' and so on; what else a checkpoint holds (steps, names, switches) is not a weight.
_DTYPES = {'Float32': torch.float32, 'Float16': torch.float16, 'Int32': torch.int32, 'Int64': torch.int64}
_MAX_BYTES, _MAX_DIMS = 2**31 - 1, 8
_VARINT, _BYTES = 0, 2


def read_ckpt(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.ckpt`` by MindSpore's keys.

    Raises:
        CheckpointError: It is not such a file, or is damaged; no code of it is run.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _Damaged('it is larger than a protobuf message can be')
        content = memoryview(path.read_bytes())
        slices: dict[str, list[tuple]] = {}
        for number, value in _fields(content):
            if number == 1:
                tag, tensor = _value(value)
                slices.setdefault(tag, []).append(tensor)
        state = {tag: tensor for tag, parts in slices.items() if (tensor := _tensor(tag, parts)) is not None}
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read: {error.strerror}.') from None
    except _Damaged as error:
        raise CheckpointError(f"{path} is not a checkpoint of MindSpore's, or is damaged: {error}.") from None
    if not state:
        raise CheckpointError(f"{path} is not a checkpoint of MindSpore's: it holds no tensors.")
    return state


class _Damaged(Exception):
    """The bytes are not what they should be; the text says how."""


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message, which are varints or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == _BYTES:
            if value > len(message) - at:
                raise _Damaged(f'a field claims {value} bytes and {len(message) - at} are left')
            yield key >> 3, message[at:at + value]
            at += value
        elif key & 7 == _VARINT:
            yield key >> 3, value
        else:
            raise _Damaged(f'a field has the wire type {key & 7}')


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the number that begins at a byte, seven bits in each byte, and where the next one begins."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            raise _Damaged('it ends within a number')
        byte, at = message[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _Damaged('a number has more than 64 bits')


def _value(message: int | memoryview) -> tuple[str, tuple]:
    fields = dict(_fields(_part(message)))
    if not {1, 2} <= fields.keys():
        raise _Damaged('a value has no tag or no tensor')
    dims, kind, content = [], '', memoryview(b'')
    for number, field in _fields(_part(fields[2])):
        if number == 1:
            # Packed or one by one: writers differ.
            dims += [field] if isinstance(field, int) else list(_varints(field))
        elif number == 2:
            kind = _text(field)
        elif number == 3:
            content = _part(field)
    return _text(fields[1]), (tuple(dims), kind, content)


def _varints(message: memoryview) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def _part(field: int | memoryview) -> memoryview:
    if isinstance(field, int):
        raise _Damaged('a number stands where a message should be')
    return field


def _text(field: int | memoryview) -> str:
    try:
        return bytes(_part(field)).decode()
    except UnicodeDecodeError:
        raise _Damaged('a name is not text') from None


def _tensor(tag: str, slices: list[tuple]) -> Tensor | None:
    dims, kind, _ = slices[0]
    if kind not in _DTYPES:
        return None
    content = b''.join(part for _, _, part in slices)
    size = _DTYPES[kind].itemsize
    # MindSpore writes 0 for the one dimension of a number.
    shape = () if dims == (0,) and len(content) == size else dims
    if len(shape) > _MAX_DIMS or math.prod(shape) * size != len(content):
        raise _Damaged(f'{tag} of shape {shape} should have {math.prod(shape) * size} bytes and has {len(content)}')
    if not content:
        return torch.empty(shape, dtype=_DTYPES[kind])
    return torch.frombuffer(bytearray(content), dtype=_DTYPES[kind]).reshape(shape)


def _norm(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    return tuple((f'{theirs}.{a}', f'{ours}.{b}') for a, b in (
        ('gamma', 'weight'), ('beta', 'bias'), ('moving_mean', 'running_mean'), ('moving_variance', 'running_var')))


_UNIT = 'layer{i}.{j}.'
_OPERATOR = _UNIT + 'context.standard.'
_RULES = Rules(
    ('conv1.weight', 'conv1.weight'), *_norm('bn1', 'bn1'),
    (_UNIT + 'conv{n}.conv.weight', _UNIT + 'conv{n}.weight'),
    *_norm(_UNIT + 'conv{n}.batchnorm', _UNIT + 'bn{n}'),
    (_UNIT + 'down_layer.conv.weight', _UNIT + 'downsample.0.weight'),
    *_norm(_UNIT + 'down_layer.batchnorm', _UNIT + 'downsample.1'),
    # A convolution and its norm, or two of them in the first stage.
    (_UNIT + 'downop.0.weight', _OPERATOR + 'gather.conv1.weight'),
    *_norm(_UNIT + 'downop.1', _OPERATOR + 'gather.bn1'),
    (_UNIT + 'downop.2.weight', _OPERATOR + 'gather.conv2.weight'),
    *_norm(_UNIT + 'downop.3', _OPERATOR + 'gather.bn2'),
    (_UNIT + 'mlpLayer.0.weight', _OPERATOR + 'excite.down.weight'),
    (_UNIT + 'mlpLayer.2.weight', _OPERATOR + 'excite.up.weight'),
    ('end_point.{p}', 'head.fc.{p}'))
# What else a file holds is of the optimizer and of the run.
_OF_THE_NETWORK = re.compile(r'(conv1|bn1|layer\d+|end_point)\..+')
# Of its stem's norm, and of all others, which is torch's.
_STEM_EPS, _EPS = 1e-4, 1e-5


def to_ours(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of MindSpore's GE-ResNet-50 by our keys, with ``head.fc.*``.

    The larger epsilon of the stem's norm goes into its variance: with the running statistics that is the same.

    Raises:
        LayoutError: They are those of another network.
    """
    names = _RULES.to_ours(state)
    unknown = [key for key in state if key not in names and _OF_THE_NETWORK.fullmatch(key)]
    if unknown or 'bn1.moving_variance' not in names:
        raise LayoutError(f"These are not the keys of MindSpore's GE-ResNet-50: {first_few(unknown or state)}.")
    ours = {name: state[key] for key, name in names.items()}
    ours['bn1.running_var'] = ours['bn1.running_var'] + (_STEM_EPS - _EPS)
    return ours
