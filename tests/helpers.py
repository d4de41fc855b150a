"""What many tests build: networks as if trained, configs on small data, tools as modules, logs of runs.

On the path of all tests (``pythonpath`` in pyproject.toml): ``from helpers import as_if_trained``.
"""

import copy
import importlib.util
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

import se_backbones

ROOT = Path(se_backbones.config_path()).parent
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)


def as_if_trained(net: nn.Module, spread: float = 0.1, var: tuple[float, float] = (0.5, 1.5),
                  weight: tuple[float, float] = (0.5, 1.5)) -> nn.Module:
    """Return the network after giving its norms other values than the identity's, so that each of them matters.

    Args:
        net: Changed in place.
        spread: Standard deviation of running means and biases.
        var, weight: Ranges of running variances and of weights.
    """
    for module in net.modules():
        if isinstance(module, NORMS):
            if getattr(module, 'running_mean', None) is not None:
                module.running_mean.normal_(0, spread)
                module.running_var.uniform_(*var)
            if module.weight is not None:
                nn.init.uniform_(module.weight, *weight)
                nn.init.normal_(module.bias, 0, spread)
    return net


class Marked(nn.Module):
    """Stands for an operator: adds a number, so that its place can be read from the output."""

    def forward(self, x):
        return x + 1000.0


def init_from(net: nn.Module | dict, folder: str | Path, **options) -> dict:
    """Save a network, or tensors by name, in the folder, and return an ``init_cfg`` that loads them."""
    path = Path(folder, 'weights.pth')
    torch.save(net if isinstance(net, dict) else net.state_dict(), path)
    return dict(type='Pretrained', checkpoint=str(path), **options)


def assert_identical(one: nn.Module, other: nn.Module, images: torch.Tensor) -> None:
    """Hold two networks to each other, in evaluation and in training: maps bit for bit, and the gradient of the images.

    Gradients but for rounding: where several layers read a map, theirs may be added in another order.

    Args:
        one, other: They return a tuple of maps. Those that draw numbers draw the same ones.
        images: ``(N, 3, H, W)``.
    """
    for training in (False, True):
        found = []
        for net in copy.deepcopy([one, other]):  # whose statistics would move
            torch.manual_seed(1)
            leaf = images.clone().requires_grad_()
            net.train(training)
            maps = net(leaf)
            sum((m * torch.randn_like(m)).sum() for m in maps).backward()
            found.append((maps, leaf.grad))
        (maps, grad), (others, other_grad) = found
        for index, (a, b) in enumerate(zip(maps, others, strict=True)):
            assert torch.equal(a, b), f'map {index} of {len(maps)}, {training=}: {(a - b).abs().max()}'
        size = grad.abs().max()
        assert size > 0
        torch.testing.assert_close(other_grad / size, grad / size, rtol=1e-5, atol=1e-5)


def narrow(name: str, width: int = 8) -> Config:
    """Return a config of ``configs/digits`` whose backbone has this width, and its head or neck takes such maps."""
    cfg = Config.fromfile(se_backbones.config_path(f'digits/{name}.py'))
    cfg.model.backbone.base_channels = width
    if 'decode_head' in cfg.model:
        cfg.model.decode_head.update(in_channels=[width, 2 * width, 4 * width, 8 * width], channels=8)
    elif 'roi_head' in cfg.model:
        cfg.model.neck.in_channels = [width, 2 * width, 4 * width, 8 * width]
    else:
        cfg.model.head.in_channels = 8 * width
    return cfg


def save_model(cfg: Config, folder: str | Path, classes: Sequence[str], model: nn.Module | None = None,
               **meta: object) -> tuple[str, str]:
    """Save a config, and a checkpoint of a model of it (default: a new one) as a Runner does; return the two paths."""
    from se_backbones.lab.inference.loading import build_model
    model = model or build_model(cfg)
    cfg.dump(Path(folder, 'config.py'))
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=cfg.pretty_text, dataset_meta=dict(
        classes=tuple(classes), **meta))), Path(folder, 'model.pth'))
    return str(Path(folder, 'config.py')), str(Path(folder, 'model.pth'))


def use_data(cfg: Config, root: str | Path) -> Config:
    """Return a config of ``configs/digits`` after pointing its loaders and evaluators to a dataset elsewhere."""
    for role in ('train', 'val', 'test'):
        cfg[f'{role}_dataloader'].dataset.data_root = f'{root}/'
        if 'ann_file' in cfg.get(f'{role}_evaluator', ()):
            cfg[f'{role}_evaluator'].ann_file = f'{root}/annotations/instances_val.json'
    return cfg


def load_tool(name: str) -> ModuleType:
    """Return what a tool calls, or a tool that stands alone, as a module: ``load_tool('export')``."""
    if importlib.util.find_spec(f'se_backbones.lab.commands.{name}'):
        return importlib.import_module(f'se_backbones.lab.commands.{name}')
    (file,) = (ROOT / 'tools').rglob(f'{name}.py')
    return load_module(file)


def load_module(file: str | Path) -> ModuleType:
    """Return a file as a module, each time a new one: neither tools nor the folders of tests are packages."""
    spec = importlib.util.spec_from_file_location(f'loaded_{Path(file).stem}', file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kernels_that_stay(run: Runner) -> list[str]:
    """Train a run, and return the names of its convolutions' kernels that learn and have not moved, or are not finite.
    """
    kernels = {name: p for name, p in run.model.named_parameters() if p.ndim == 4 and p.requires_grad}
    before = {name: p.detach().clone() for name, p in kernels.items()}
    run.train()
    assert kernels
    return [name for name, p in kernels.items() if torch.equal(p, before[name]) or not p.isfinite().all()]


def write_log(work_dir: str | Path, *rows: dict, session: str = '20260101_000000', loop: dict | None = None) -> Path:
    """Write scalars as mmengine's LocalVisBackend does in one session of a run, and return the work dir.

    So it does with the config, of which ``loop`` is ``train_cfg``; None: the config is not there.
    """
    folder = Path(work_dir, session, 'vis_data')
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    if loop:
        (folder / 'config.py').write_text(f'train_cfg = {loop}\n')
    return Path(work_dir)


def write_class_folders(root: Path, train: int = 40, val: int = 20) -> Path:
    """Write so many images of noise, 32 px, as ``root/{train,val}/{0..9}/*.png``, and return the root."""
    rng = np.random.default_rng(0)
    for split, number in (('train', train), ('val', val)):
        for index in range(number):
            file = root / split / str(index % 10) / f'{index:02d}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    return root


def write_tiny_classifier(file: Path, data_root: str | Path, more: str = '') -> None:
    """Write the config of a plain classifier of four layers for such folders, one epoch, with ``more`` lines."""
    base = se_backbones.config_path('digits/resnet18.py')
    file.write_text(f"""
_base_ = {base!r}
model = dict(backbone=dict(depth=(1,), num_stages=1, base_channels=2, input_size=32), head=dict(in_channels=8))
train_dataloader = dict(batch_size=10, dataset=dict(data_root={str(data_root)!r}))
val_dataloader = dict(batch_size=20, dataset=dict(data_root={str(data_root)!r}))
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False))
{more}
""")


def tree_wheel(folder: str | Path, scenes: Mapping[str, np.ndarray] | None = None,
               boxes: Mapping[str, Sequence[Sequence[int]]] | None = None) -> Path:
    """Write a wheel that has other scenes and boxes where that of deepforest 2.1.0 has its own, and return it.

    Args:
        folder: Where the file goes, under the name that ``se-backbones data trees`` looks for.
        scenes: Pictures ``(H, W, 3)`` uint8, RGB, by the names in ``SCENES``; default: bright squares on dark noise.
        boxes: Crowns of each scene as x1 y1 x2 y2; default: these squares.
    """
    from se_backbones.lab.convert.tree_crowns import SCENES, WHEEL
    rng = np.random.default_rng(0)
    squares = [(x, y, x + 40, y + 40) for x in range(20, 400, 90) for y in range(20, 400, 90)]
    with zipfile.ZipFile(Path(folder, WHEEL), 'w') as wheel:
        wheel.writestr('deepforest-2.1.0.dist-info/METADATA', 'Name: deepforest\n')
        for name, file in SCENES.items():
            picture = rng.integers(0, 100, (400, 400, 3), dtype=np.uint8) if scenes is None else scenes[name]
            crowns = squares if boxes is None else boxes[name]
            for x1, y1, x2, y2 in squares if scenes is None else ():
                picture[y1:y2, x1:x2] += 120
            notes = ''.join(
                f'<object><name>Tree</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>'
                '</bndbox></object>' for x1, y1, x2, y2 in crowns)
            wheel.writestr(f'deepforest/data/{file}.xml', f'<annotation>{notes}</annotation>')
            png = cv2.imencode('.png', np.ascontiguousarray(picture[..., ::-1]))[1]
            wheel.writestr(f'deepforest/data/{file}.png', png.tobytes())
    return Path(folder, WHEEL)


def exported_facts(data: bytes, format: str) -> dict:
    """Return what an exported file says of itself, from where docs/deployment.md says that it is."""
    if format == 'onnx':
        import onnxruntime
        return json.loads(onnxruntime.InferenceSession(data).get_modelmeta().custom_metadata_map['se_backbones'])
    extra = {'se_backbones.json': ''}
    if format == 'torch-export':
        torch.export.load(io.BytesIO(data), extra_files=extra)
    else:
        torch.jit.load(io.BytesIO(data), _extra_files=extra)
    return json.loads(extra['se_backbones.json'])
