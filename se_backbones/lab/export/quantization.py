"""Quantise an ONNX file to int8, calibrated on training images."""

import copy
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import Config
from torch import Tensor

from se_backbones.lab.analysis.subject import Subject
from se_backbones.utils.dataset_configs import first_dataset, tested_dataset

INPUT = 'images'


def quantized(data: bytes, images: Iterable[Tensor]) -> bytes:
    """Return an ONNX file in int8 (static quantisation: weights by channel, activations by tensor).

    Args:
        data: The float file. Its norms should be folded: a convolution alone becomes an integer one.
        images: What the ranges of the activations are read off, ``(1, 3, H, W)`` each.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.images = iter(images)

        def get_next(self) -> dict | None:
            image = next(self.images, None)
            return None if image is None else {INPUT: image.numpy()}

    with tempfile.TemporaryDirectory() as folder:
        plain, ready, target = (Path(folder, name) for name in ('plain.onnx', 'ready.onnx', 'int8.onnx'))
        plain.write_bytes(data)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(ready, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        return _with_metadata_of(data, target.read_bytes())


def _with_metadata_of(source: bytes, data: bytes) -> bytes:
    import onnx
    model = onnx.load_from_string(data)
    onnx.helper.set_model_props(model, {prop.key: prop.value for prop in onnx.load_from_string(source).metadata_props})
    return model.SerializeToString()


def training_images(cfg: Config, count: int) -> Subject:
    """Return images of a config's training set, evenly spaced over it, through its test pipeline: nothing is random.

    Args:
        cfg: The whole config.
        count: How many.
    """
    cfg = copy.deepcopy(cfg)
    dataset = first_dataset(cfg.train_dataloader)
    dataset.pipeline = tested_dataset(cfg).pipeline
    (cfg.get('test_dataloader') or cfg.val_dataloader).update(dataset=dataset, batch_size=1)
    return Subject.load(cfg, None, max_images=count)
