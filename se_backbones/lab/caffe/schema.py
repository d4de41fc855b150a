"""The part of Caffe's protobuf messages that we read, under the field numbers of its ``caffe.proto``.

Built here instead of generated: no compiler is needed, and a pool of its own keeps it apart from a ``caffe_pb2`` that
the same program may have imported. Fields that are left out, such as fillers and learning rates, are skipped in binary
files as protobuf always does, and in text by :func:`se_backbones.lab.caffe.reader.read_prototxt`.
"""

from functools import cache

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

_PACKAGE = 'se_backbones.caffe'
_SCALARS = {
    'bool': FieldDescriptorProto.TYPE_BOOL,
    'bytes': FieldDescriptorProto.TYPE_BYTES,
    'double': FieldDescriptorProto.TYPE_DOUBLE,
    'float': FieldDescriptorProto.TYPE_FLOAT,
    'int32': FieldDescriptorProto.TYPE_INT32,
    'int64': FieldDescriptorProto.TYPE_INT64,
    'string': FieldDescriptorProto.TYPE_STRING,
    'uint32': FieldDescriptorProto.TYPE_UINT32,
}

# Message: field: (number, type[, default]). A star marks a repeated field.
#
# BlobProto's numbers are `repeated float data = 5 [packed = true]`, which on the wire are the bytes of one array. Read
# as bytes they become an array in one step, not number by number. A writer may split them, hence the star.
_MESSAGES: dict[str, dict[str, tuple]] = {
    'NetParameter': {
        'name': (1, 'string'),
        'layers': (2, '*bytes'),  # V1LayerParameter, the format before 2014
        'layer': (100, '*LayerParameter'),
    },
    'LayerParameter': {
        'name': (1, 'string'),
        'type': (2, 'string'),
        'bottom': (3, '*string'),
        'top': (4, '*string'),
        'blobs': (7, '*BlobProto'),
        'concat_param': (104, 'ConcatParameter'),
        'convolution_param': (106, 'ConvolutionParameter'),
        'dropout_param': (108, 'DropoutParameter'),
        'inner_product_param': (117, 'InnerProductParameter'),
        'pooling_param': (121, 'PoolingParameter'),
        'reshape_param': (133, 'ReshapeParameter'),
        'batch_norm_param': (139, 'BatchNormParameter'),
        'scale_param': (142, 'ScaleParameter'),
        'input_param': (143, 'InputParameter'),
        'cudnn_batch_norm_param': (200, 'CuDNNBatchNormParameter'),  # hujie-frank/GENet's own
    },
    'BlobShape': {'dim': (1, '*int64')},
    'BlobProto': {
        'num': (1, 'int32'),  # these four: the shape, before there was `shape`
        'channels': (2, 'int32'),
        'height': (3, 'int32'),
        'width': (4, 'int32'),
        'data': (5, '*bytes'),
        'shape': (7, 'BlobShape'),
        'double_data': (8, '*bytes'),
    },
    # The same as numbers, for the writers that store each by itself.
    'BlobNumbers': {'data': (5, '*float'), 'double_data': (8, '*double')},
    'BatchNormParameter': {'use_global_stats': (1, 'bool'), 'eps': (3, 'float', 1e-5)},
    'ConcatParameter': {'axis': (2, 'int32', 1)},
    'ConvolutionParameter': {
        'num_output': (1, 'uint32'),
        'bias_term': (2, 'bool', True),
        'pad': (3, '*uint32'),
        'kernel_size': (4, '*uint32'),
        'group': (5, 'uint32', 1),
        'stride': (6, '*uint32'),
        'kernel_h': (11, 'uint32'),
        'kernel_w': (12, 'uint32'),
        'stride_h': (13, 'uint32'),
        'stride_w': (14, 'uint32'),
    },
    'CuDNNBatchNormParameter': {'eps': (3, 'float', 1e-5)},
    'DropoutParameter': {'dropout_ratio': (1, 'float', 0.5)},
    'InnerProductParameter': {'num_output': (1, 'uint32'), 'bias_term': (2, 'bool', True)},
    'InputParameter': {'shape': (1, '*BlobShape')},
    'PoolingParameter': {
        'pool': (1, 'PoolMethod'),
        'kernel_size': (2, 'uint32'),
        'stride': (3, 'uint32', 1),
        'pad': (4, 'uint32', 0),
        'global_pooling': (12, 'bool', False),
    },
    'ReshapeParameter': {'shape': (1, 'BlobShape')},
    'ScaleParameter': {'axis': (1, 'int32', 1), 'bias_term': (4, 'bool', False)},
}
_ENUMS = {'PoolMethod': ('MAX', 'AVE', 'STOCHASTIC')}


@cache
def message_class(name: str) -> type[Message]:
    """Return the class of a message: ``'NetParameter'``, ``'LayerParameter'``, ``'BlobProto'``, ..."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f'{_PACKAGE}.{name}'))


@cache
def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name='se_backbones/caffe.proto', package=_PACKAGE, syntax='proto2')
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, *default) in fields.items():
            message.field.append(_field(field, number, kind, default))
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _field(name: str, number: int, kind: str, default: list) -> FieldDescriptorProto:
    repeated, kind = kind.startswith('*'), kind.removeprefix('*')
    field = FieldDescriptorProto(
        name=name, number=number,
        label=FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL)
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_ENUM if kind in _ENUMS else FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f'.{_PACKAGE}.{kind}'
    if default:
        field.default_value = str(default[0]).lower()
    return field
