"""Broken input for the five readers of files and tables that others write, drawn by hypothesis.

Each class is one of them: ``inputs()`` is a strategy, ``read(drawn)`` makes the file and reads it. Half of the inputs
are whole files with a few changes of the kinds that break readers, half are made of their format's own parts.
"""

import io
import json
import struct
import zipfile
from collections import Counter
from contextlib import suppress

import hypothesis
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_safetensors

from se_backbones.lab.caffe import LAYER_RULES, check_fits, convert_caffemodel, read_caffemodel, read_prototxt
from se_backbones.models.loading import MisfitError, coverage
from se_backbones.pretrained.errors import LayoutError, WeightsError
from se_backbones.pretrained.layouts import LAYOUTS, detect
from se_backbones.pretrained.reading import read_all, read_checkpoint
from se_backbones.registry import MODELS

# Where lengths, counts and offsets break.
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63,
           2**64 - 1)
_KINDS = ('flip', 'number', 'cut', 'delete', 'repeat', 'move', 'insert')
_CHANGE = st.tuples(st.sampled_from(_KINDS), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
CHANGES = st.lists(_CHANGE, max_size=4)


def changed(content: bytes, changes: list, tokens: tuple = ()) -> bytes:
    """Return the content after the changes.

    Args:
        content: Of a whole file.
        changes: Drawn from ``CHANGES``.
        tokens: Pieces with a meaning in the format, which are inserted.
    """
    for kind, place, choice in changes:
        content = _change(content, kind, place % (len(content) + 1), choice, tokens)
    return content


def _change(content: bytes, kind: str, at: int, choice: int, tokens: tuple) -> bytes:
    before, after = content[:at], content[at:]
    length = choice // 7 % 40 + 1
    if kind == 'flip':
        return before + bytes([after[0] ^ (choice % 255 + 1)]) + after[1:] if after else before
    if kind == 'number':
        size = (1, 2, 4, 8)[choice % 4]
        number = NUMBERS[choice // 4 % len(NUMBERS)] % 256**size
        return before + number.to_bytes(size, ('little', 'big')[choice // 100 % 2]) + after[size:]
    if kind == 'cut':
        return before
    if kind == 'delete':
        return before + after[length:]
    if kind == 'repeat':
        return before + after[:length] * (choice % 50) + after
    if kind == 'move':
        place = choice % (len(content) + 1)
        return before + content[place:place + length] + after
    return before + (tokens[choice % len(tokens)] if tokens else bytes([choice % 256])) + after


SIZES = st.sampled_from([*range(-2, 9), *NUMBERS])
TEXT = st.text(max_size=8)


def fuzz(reader, count, seed):
    """Return how many inputs had which outcome; any other than the documented errors is raised."""
    outcomes = Counter()

    @hypothesis.seed(seed)
    @settings(max_examples=count)
    @given(reader.inputs())
    def one(drawn):
        try:
            reader.read(drawn)
            outcomes['read'] += 1
        except WeightsError as error:
            assert str(error)
            outcomes[type(error).__name__] += 1
    one()
    return outcomes


class Caffemodels:
    """Bytes of small networks, changed, and their layers under other names with blobs of other shapes."""

    what = 'broken `.caffemodel` files'

    def __init__(self, caffe, folder):
        self.caffe, self.path = caffe, folder / 'net.caffemodel'
        self.nets = [caffe.se_resnet((1,), (64, 64), width=1, classes=2), caffe.senet((1,), (64, 64), classes=2),
                     caffe.genet('GEPP', (1,), (64, 64), classes=2), caffe.se_bn_inception((64, 64), classes=2)]
        self.contents = [net.caffemodel() for net in self.nets]
        self.names = sorted({layer['name'] for net in self.nets for layer in net.layers})
        self.tokens = tuple(caffe.length_delimited(field, name.encode()) for field, name in enumerate(self.names[:60]))

    def inputs(self):
        part = st.sampled_from(['_1x1_reduce', '_3x3', '/gather', '_1x1_down', '/bn'])
        name = st.one_of(st.sampled_from(self.names), TEXT, st.builds('conv{}_{}{}'.format, SIZES, SIZES, part))
        layer = st.tuples(name, st.sampled_from(['Convolution', 'BatchNorm', 'Scale', 'InnerProduct', 'Pooling', '']),
                          st.lists(st.lists(SIZES, max_size=5), max_size=4))
        return st.one_of(st.tuples(st.sampled_from(self.contents), CHANGES), st.lists(layer, max_size=8))

    def read(self, drawn):
        if isinstance(drawn, tuple):
            content = changed(*drawn, self.tokens)
        else:
            content = self.nets[0].caffemodel() if not drawn else b''.join(map(self._layer, drawn))
        self.path.write_bytes(content)
        return convert_caffemodel(self.path)

    def _layer(self, drawn):
        name, kind, shapes = drawn
        blobs = b''
        for shape in shapes:
            count = int(np.prod(np.array([dim % 5 for dim in shape]), dtype=np.int64)) if shape else 1
            blobs += self.caffe.length_delimited(7, self.caffe.length_delimited(7, self.caffe.shape(shape))
                                                 + self.caffe.length_delimited(5, bytes(4 * count)))
        return self.caffe.length_delimited(100, self.caffe.length_delimited(1, name.encode('utf-8', 'replace'))
                                           + self.caffe.length_delimited(2, kind.encode()) + blobs)


class Prototxts:
    """Text of small networks, changed, held against a whole `.caffemodel`."""

    what = 'broken `.prototxt` files'

    def __init__(self, caffe, folder):
        self.path = folder / 'net.prototxt'
        net = caffe.se_resnet((1,), (64, 64), width=1, classes=2)
        model = folder / 'whole.caffemodel'
        model.write_bytes(net.caffemodel())
        self.layers = read_caffemodel(model)
        self.contents = [net.prototxt().encode(), caffe.genet('GEP', (1,), (64, 64)).prototxt().encode()]
        self.tokens = (b'layer {', b'}', b'convolution_param {', b'name: "conv1"', b'num_output: -1', b'dim: 1e99',
                       b'kernel_size: 99999999999999999999', b'type: "Scale"', b'\xff\xfe', b'"', b'[', b'# ', b'<')

    def inputs(self):
        return st.tuples(st.sampled_from(self.contents), CHANGES)

    def read(self, drawn):
        self.path.write_bytes(changed(*drawn, self.tokens))
        check_fits(self.layers, read_prototxt(self.path))


class Safetensors:
    """A whole file, changed, and headers with absurd shapes, types and places."""

    what = 'broken safetensors'

    def __init__(self, caffe, folder):
        self.path = folder / 'net.safetensors'
        tensors = {'conv.weight': torch.zeros(2, 3), 'bn.num_batches_tracked': torch.tensor(7), 'empty': torch.zeros(0)}
        self.contents = [save_safetensors(tensors, {'by': 'us'}), save_safetensors({'a': torch.zeros(1).bfloat16()})]
        self.tokens = (b'"F32"', b'"data_offsets":[0,4]', b'{', b'}', b'"', b'"__metadata__":{}', b'-1', b'1e400',
                       b'[[[[', b'null', b'\\ud800', b'99999999999999999999999')

    def inputs(self):
        tensor = st.fixed_dictionaries(dict(
            dtype=st.sampled_from(['F32', 'F16', 'I64', 'BOOL', 'F8_E4M3', 'F4', 'C64', 'X', 1, None]),
            shape=st.lists(SIZES, max_size=4), data_offsets=st.lists(SIZES, min_size=2, max_size=2)))
        entry = st.one_of(tensor, st.dictionaries(TEXT, TEXT, max_size=2), st.none())
        return st.one_of(st.tuples(st.sampled_from(self.contents), CHANGES),
                         st.lists(st.tuples(st.one_of(TEXT, st.just('__metadata__')), entry), max_size=3))

    def read(self, drawn):
        if isinstance(drawn, tuple):
            content = changed(*drawn, self.tokens)
        else:
            header = json.dumps(dict(drawn)).encode()
            content = struct.pack('<Q', len(header)) + header + bytes(16)
        self.path.write_bytes(content)
        read_checkpoint(self.path)


class TorchFiles:
    """The pickle in both formats of torch, changed, with orders to run code among the changes."""

    what = 'broken files of `torch.save`, with calls of `open` in them'

    def __init__(self, caffe, folder):
        self.path, self.folder, self.made = folder / 'net.pth', folder, folder / 'made'
        content = {'state_dict': {'a': torch.zeros(3), 'b': torch.ones(2, 2)[:, 0]}, 'meta': {
            'epoch': 1, 'palette': np.arange(4), 'loss': np.float32(0.5), 'classes': ('x', 'y'), 'nested': [[{}]]}}
        torch.save(content, self.path)
        with zipfile.ZipFile(self.path) as archive:
            self.entries = [(name, archive.read(name)) for name in archive.namelist()]
        old = io.BytesIO()
        torch.save(content, old, _use_new_zipfile_serialization=False)
        self.contents = [self.path.read_bytes(), old.getvalue()]
        name = str(self.made).encode()
        call = b'cbuiltins\nopen\n(X' + struct.pack('<I', len(name)) + name + b'X\x01\x00\x00\x00wtR'
        self.tokens = (call, call + b'.', b'cposix\nsystem\n', b'cbuiltins\ngetattr\n', b'ctorch\nTensor\n',
                       b'cbuiltins\nbytearray\n', b'ctorch._utils\n_rebuild_tensor_v2\n', b'ctorch\nfloat32\n',
                       b'cnumpy\ndtype\n', b'cnumpy._core.multiarray\n_reconstruct\n', b'ccollections\nCounter\n',
                       b'R', b'b', b'\x81', b'Q', b'(', b't', b'\x85', b'}', b']', b')', b'0', b'2', b'u', b'a', b'.',
                       b'J\xff\xff\xff\x7f', b'\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f', b'h\x00', b'N', b'K\x02')

    def inputs(self):
        return st.tuples(st.sampled_from(['pickle', *self.contents]), CHANGES)

    def read(self, drawn):
        content, changes = drawn
        if content == 'pickle':
            # Only the pickle changes; the archive around it is whole.
            with zipfile.ZipFile(self.path, 'w') as archive:
                for name, entry in self.entries:
                    pickle = name.endswith('data.pkl')
                    archive.writestr(name, changed(entry, changes, self.tokens) if pickle else entry)
        else:
            self.path.write_bytes(changed(content, changes, self.tokens))
        try:
            read_checkpoint(self.path)
            read_all(self.path)
        finally:
            assert not self.made.exists(), f'code of the file ran: {drawn}'


class KeyMaps:
    """Keys of all libraries, changed, through every table of rules, both ways."""

    what = 'odd sets of keys through every key layout'

    def __init__(self, caffe, folder):
        with torch.device('meta'):
            nets = [MODELS.build(dict(type=f'se_backbones.{kind}', **options)) for kind, options in (
                ('ResNet', dict(depth=(1, 1), deep_stem=True, avg_down=True,
                                context=dict(op=dict(type='SqueezeExcite')))),
                ('VGG', dict(depth=11, num_classes=2)), ('ShuffleNetV1', {}), ('ResNet', dict(depth=(1, 2))))]
        ours = [{**net.state_dict(), 'head.fc.weight': torch.zeros(1)} for net in nets]
        self.net = nets[-1]
        self.keys = sorted({key for state in ours for layout in LAYOUTS.values()
                            for key in (*state, *layout.from_ours(state).state)})
        self.layers = ['conv2_1_1x1_reduce', 'conv1/7x7_s2/bn/scale', 'inception_3a/3x3', 'conv2_1/gather/bn']
        self.tokens = (b'module.', b'backbone.', b'.', b'head.', b'se_module.', b'context.standard.', b'9' * 5000,
                       b'-1', b'\xc2\xb2', b'\n', b'{p}', b'layer1.', b'features.', b'running_mean', b'bias')

    def inputs(self):
        key = st.one_of(st.sampled_from(self.keys + self.layers), TEXT,
                        st.tuples(st.sampled_from(self.keys + self.layers), CHANGES))
        return st.lists(key, max_size=6)

    def read(self, drawn):
        keys = [key if isinstance(key, str) else changed(key[0].encode(), key[1], self.tokens).decode(
            'utf-8', 'replace') for key in drawn]
        state = {key: torch.zeros(1) for key in keys}
        accepted = 0
        detect(state)
        for layout in {id(layout): layout for layout in LAYOUTS.values()}.values():
            for rename in (layout.to_ours, layout.from_ours):
                try:
                    renamed = rename(state)
                except LayoutError:
                    continue
                accepted += rename == layout.to_ours
                # Nothing gets lost on the way.
                absorbed = len(state) - len(layout._absorb(state)) if rename == layout.to_ours else 0
                assert len(renamed.state) + len(renamed.unmatched) + absorbed == len(state)
        for names in LAYER_RULES.values():
            for key in keys:
                names.caffe_to_ours(key, 0)
                names.ours_to_caffe(key)
        with suppress(MisfitError):
            part = coverage(self.net, state)
            assert part.complete or part.problem()
        if not accepted:
            raise LayoutError('These are the keys of no layout.')
