"""One benchmark run: networks, phase and size, interleaved."""

import copy
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.utils import get_git_hash
from torch import Tensor, nn

from se_backbones.lab.benchmark.agreement import on_the_plain_path
from se_backbones.lab.benchmark.memory import peak_bytes, saved_bytes
from se_backbones.lab.benchmark.networks import last_map, networks
from se_backbones.lab.benchmark.settings import AS_WRITTEN, FOLDED, LAYOUTS, PRECISIONS, Setting
from se_backbones.lab.benchmark.timing import compare, interleaved
from se_backbones.models.fusion import fuse_for_inference
from se_backbones.ops.residual_tail import choice
from se_backbones.version import __version__

MIB = 2**20


def measure(setting: Setting, names: Sequence[str], progress: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Measure the networks against each other.

    Args:
        setting: What is the same for all.
        names: Of :func:`networks`; ``', folded'`` behind a name folds its norms into its convolutions, and
            ``', as written'`` puts its units on the plain path. The ratios refer to the first one.
        progress: Called ``len(names) * (rounds + 1)`` times.

    Returns:
        ``setting``, ``reference``, ``networks``: per name ``median_ms``, ``ratio`` of medians, ``low`` and ``high``
        quartiles of the ratios within rounds, ``peak_mib``, and in training ``saved_mib``, each with its ``..._ratio``;
        and ``times``, the seconds of each round.
    """
    torch.manual_seed(0)
    images = torch.randn(setting.batch, 3, setting.size, setting.width or setting.size, device=setting.device)
    images = images.contiguous(memory_format=getattr(torch, LAYOUTS[setting.layout]))
    table, rows, steps = networks(setting.size), {}, {}
    for name in names:
        net = prepared(table[name.removesuffix(FOLDED).removesuffix(AS_WRITTEN)](), setting, name.endswith(FOLDED))
        if name.endswith(AS_WRITTEN):
            net = on_the_plain_path(net)
        rows[name] = {}
        if setting.phase == 'train' and not setting.compiled:
            with autocast(setting):
                rows[name]['saved_mib'] = saved_bytes(net, images) / len(images) / MIB
        steps[name] = step_of(torch.compile(net) if setting.compiled else net, images, setting)
    times = interleaved(steps, setting.rounds, setting.device, progress)
    for name in names:
        rows[name]['peak_mib'] = peak_bytes(steps[name], setting.device) / MIB
        rows[name] |= compare(times[name], times[names[0]])
    for row in rows.values():
        for key in ('saved_mib', 'peak_mib'):
            if key in row:
                row[key.replace('mib', 'ratio')] = row[key] / rows[names[0]][key]
    return dict(setting=asdict(setting), reference=names[0], networks=rows, times=times)


def prepared(net: nn.Module, setting: Setting, folded: bool = False) -> nn.Module:
    """Return the network in the mode, in the layout and on the device of the setting."""
    net.to(setting.device, memory_format=getattr(torch, LAYOUTS[setting.layout])).train(setting.phase == 'train')
    if setting.frozen_norms:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    return fuse_for_inference(net) if folded else net


def autocast(setting: Setting) -> torch.autocast:
    """Return the context in which the networks run."""
    dtype = getattr(torch, PRECISIONS[setting.precision])
    return torch.autocast(setting.device, dtype, enabled=dtype != torch.float32)


def step_of(net: nn.Module, images: Tensor, setting: Setting) -> Callable[[], None]:
    """Return a function that runs the network once: forward, and in training backward too."""
    if setting.phase == 'infer':
        @torch.no_grad()
        def infer() -> None:
            with autocast(setting):
                net(images)
        return infer
    probe = copy.deepcopy(getattr(net, '_orig_mod', net))
    probe.eval()
    with torch.no_grad():
        shape = last_map(probe(images[:1])).shape[1:]
    grad = torch.randn(len(images), *shape, device=setting.device)

    def train() -> None:
        with autocast(setting):
            output = last_map(net(images))
        output.backward(grad.to(output.dtype))
        del output
        net.zero_grad(set_to_none=True)  # at the end: what a step frees of the one before is not memory of its own
    return train


def environment(device: str) -> dict[str, Any]:
    """Return what the figures depend on: hardware, versions, threads, the chosen tail."""
    return dict(device=torch.cuda.get_device_name() if device == 'cuda' else _processor(),
                threads=torch.get_num_threads(), python=platform.python_version(), torch=torch.__version__,
                se_backbones=__version__, tail=choice(), revision=get_git_hash(digits=12))


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    names = [line.partition(':')[2].strip() for line in info.read_text().splitlines()
             if line.startswith('model name')] if info.exists() else []
    return names[0] if names else platform.processor()
