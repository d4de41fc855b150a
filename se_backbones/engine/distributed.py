"""Distributed training without GPUs, where mmengine assumes CUDA."""

import atexit

from mmengine.config import Config
from mmengine.device import is_cuda_available, is_musa_available, is_npu_available
from torch import distributed


def has_accelerator() -> bool:
    """Return whether mmengine would train on something else than the CPU."""
    return is_cuda_available() or is_npu_available() or is_musa_available()


def start_without_gpu(cfg: Config) -> None:
    """Start a distributed run on the CPU with gloo, and give its model wrapper no device numbers; changes ``cfg``.

    Does nothing where there is an accelerator or one process.

    Args:
        cfg: A whole config whose ``launcher`` is set. One that names its own backend or wrapper keeps them, apart from
            ``nccl``, which needs GPUs.
    """
    if cfg.get('launcher', 'none') == 'none' or has_accelerator():
        return
    dist = cfg.setdefault('env_cfg', {}).setdefault('dist_cfg', {})
    if dist.get('backend', 'nccl') == 'nccl':
        dist['backend'] = 'gloo'
    if cfg.launcher == 'pytorch' and not distributed.is_initialized():
        # mmengine's own start would set a CUDA device first; it leaves a group that exists alone.
        distributed.init_process_group(**dist)
        # A process that ends with gloo's threads alive may abort, which torchrun takes for a failed run.
        atexit.register(distributed.destroy_process_group)
    if cfg.get('runner_type', 'Runner') == 'Runner':
        wrapper = cfg.get('model_wrapper_cfg') or dict(type='MMDistributedDataParallel', broadcast_buffers=False,
                                                       find_unused_parameters=cfg.get('find_unused_parameters', False))
        wrapper.setdefault('device_ids', None)
        cfg.model_wrapper_cfg = wrapper
