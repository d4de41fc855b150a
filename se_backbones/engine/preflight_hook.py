"""The preflight as a hook, for the tools of mmdet, mmpretrain and mmseg, and the header of a run."""

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from torch import nn

from se_backbones.engine.checks.config_tree import LOOPS, ConfigProblem
from se_backbones.engine.checks.datasets import Split, check_dataset
from se_backbones.engine.checks.heads import check_trained_order
from se_backbones.engine.preflight import check_config
from se_backbones.models.operators import ContextOperator
from se_backbones.registry import HOOKS


@HOOKS.register_module()
class PreflightHook(Hook):
    """Stops a run before its first iteration where config and data do not fit, and logs what is about to run.

    Our tools check before anything is written. Other scripts, such as mmdet's ``tools/train.py``, get the same checks
    by ``custom_hooks=[dict(type='se_backbones.PreflightHook')]``, after their log has begun: there they can only raise.

    Raises:
        ConfigProblem: Before the run; names the value, the allowed values and the config key. Or when a checkpoint is
            loaded to be tested or resumed that has the classes in another order.
    """

    priority = 'VERY_HIGH'

    def __init__(self, splits: list[Split] | None = None):
        self._splits = splits  # of a tool that has done the checks

    def before_run(self, runner) -> None:
        loops = _loops(runner)
        if self._splits is None:
            check_config(runner.cfg, loops, model=_bare(runner.model))
            self._splits = [check_dataset(getattr(runner, f'{loop}_dataloader').dataset, loop, runner.cfg)
                            for loop in loops]
        if is_main_process():
            runner.logger.info('\n'.join(['what runs:', *header(runner, self._splits)]))

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        loops, meta = _loops(runner), checkpoint.get('meta')
        try:
            check_trained_order(runner.cfg, loops, meta if isinstance(meta, dict) else {},
                                runner._load_from or runner.work_dir)
        except ConfigProblem as problem:
            if 'train' not in loops or runner._resume:
                raise
            # A head that is trained on unlearns it.
            runner.logger.warning(f'{problem} The head begins with the weights of other classes.')


def _loops(runner) -> tuple[str, ...]:
    """Return the loops that a Runner has built, which are those that run."""
    return tuple(loop for loop in LOOPS if isinstance(getattr(runner, f'_{loop}_loop', None), BaseLoop))


def header(runner, splits: list[Split]) -> list[str]:
    """Return the lines that say what runs: config, backbone, datasets, device and work folder."""
    model = _bare(runner.model)
    rows = [('config', runner.cfg.filename or '(none)'), ('model', type(model).__name__ + _parameters(model))]
    backbone = getattr(model, 'backbone', None)
    if isinstance(backbone, nn.Module):
        kinds = [type(module).__name__ for module in model.modules() if isinstance(module, ContextOperator)]
        operators = ', '.join(f'{kinds.count(kind)} {kind}' for kind in dict.fromkeys(kinds)) or 'no operators'
        rows.append(('backbone', f'{type(backbone).__name__}, {operators}' + _parameters(backbone)))
    rows += [(split.key.split('_')[0], str(split)) for split in splits]
    device = next(model.parameters(), torch.empty(0)).device
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'{device}'
    rows += [('device', f'{name}, {get_world_size()} process{"es" if get_world_size() > 1 else ""}'),
             ('work folder', runner.work_dir)]
    return [f'    {name:<12}{text}' for name, text in rows]


def _bare(model: nn.Module) -> nn.Module:
    while hasattr(model, 'module') and isinstance(model.module, nn.Module) and not hasattr(model, 'backbone'):
        model = model.module
    return model


def _parameters(model: nn.Module) -> str:
    return f', {sum(parameter.numel() for parameter in model.parameters()) / 1e6:.2f} M parameters'
