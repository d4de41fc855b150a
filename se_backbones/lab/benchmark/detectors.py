"""Training iterations of the shipped Faster R-CNNs, plain beside SE and GE."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn

from se_backbones.lab.benchmark.timing import compare, interleaved
from se_backbones.registry import WEIGHT_INITIALIZERS
from se_backbones.utils.paths import config_path

CONFIGS = {'plain': 'faster_rcnn_r50.py', 'SE': 'faster_rcnn_se_r50.py', 'GE theta E8': 'faster_rcnn_ge_r50.py'}
MMDET = 'mmdet ResNet'


def measure_detectors(size: int, batch: int, rounds: int, device: str = 'cpu',
                      progress: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Time training iterations (losses, backward, SGD) of Faster R-CNN R50-FPN with frozen norms; random images.

    All are the same function, the operators inserted exactly, and see the same boxes: so they propose the same regions,
    whose number and size decide what most of an iteration takes.

    Args:
        size, batch: Images are ``(batch, 3, size, size)``, each with eight boxes.
        rounds: Timed iterations of each.
        progress: Called ``4 * (rounds + 1)`` times.

    Returns:
        As :func:`se_backbones.lab.benchmark.runs.measure`; the reference is mmdet's own ResNet.
    """
    torch.manual_seed(0)
    models = {MMDET: _build(CONFIGS['plain'], init_cfg=None, type='mmdet.ResNet')}
    state = models[MMDET].state_dict()
    with TemporaryDirectory() as folder:
        file = str(Path(folder) / 'plain.pth')
        torch.save(models[MMDET].backbone.state_dict(), file)
        load = WEIGHT_INITIALIZERS.build(dict(type='se_backbones.Pretrained', checkpoint=file))
        for name, config in CONFIGS.items():
            models[f'ours {name}'] = _build(config, init_cfg=None)
            load(models[f'ours {name}'].backbone)
    steps = {}
    for name, model in models.items():
        model.load_state_dict({key: value for key, value in state.items() if not key.startswith('backbone.')},
                              strict=False)
        steps[name] = _iteration(model, size, batch, device)
    times = interleaved(steps, rounds, device, progress)
    rows = {name: compare(seconds, times[MMDET]) for name, seconds in times.items()}
    return dict(setting=dict(phase='detector', size=size, batch=batch, device=device, rounds=rounds), reference=MMDET,
                networks=rows, times=times)


def _build(config: str, **backbone: Any) -> nn.Module:
    from mmdet.registry import MODELS
    cfg = Config.fromfile(config_path(config))
    cfg.model.backbone.update(backbone)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(cfg.model)


def _iteration(model: nn.Module, size: int, batch: int, device: str) -> Callable[[], None]:
    from mmdet.structures import DetDataSample
    model.to(device).train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = OptimWrapper(torch.optim.SGD(learning, lr=1e-4, momentum=0.9, weight_decay=1e-4))
    torch.manual_seed(0)
    images = torch.randn(batch, 3, size, size, device=device)
    corners = torch.rand(batch, 8, 2, device=device) * size * 0.6
    samples = []
    for top_left in corners:
        instances = InstanceData(bboxes=torch.cat([top_left, top_left + size * 0.3], 1),
                                 labels=torch.arange(8, device=device))
        sample = DetDataSample(gt_instances=instances)
        sample.set_metainfo(dict(img_shape=(size, size), pad_shape=(size, size), ori_shape=(size, size),
                                 scale_factor=(1.0, 1.0)))
        samples.append(sample)

    def step() -> None:
        # The same random choice of boxes each time, so that the work is the same.
        torch.manual_seed(1)
        losses = model.loss(images, samples)
        optimizer.update_params(model.parse_losses(losses)[0])
    return step
