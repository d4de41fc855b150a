"""Build a Runner from datasets that are loaded and checked before it, with a readable screen log."""

import io
import json
import logging
import re
from contextlib import redirect_stdout
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, RUNNERS
from mmengine.runner import Runner

from se_backbones.engine.checks.config_tree import ConfigProblem, annotation_file, config_scope
from se_backbones.engine.checks.datasets import check_dataset, empty
from se_backbones.engine.invalid_loss import InvalidLossHook
from se_backbones.engine.preflight_hook import PreflightHook
from se_backbones.utils.dataset_configs import innermost_datasets

# What the hosts warn of in their own code, and no config can change.
_ASIDES = re.compile(r'"FileClient" will be deprecated|"HardDiskBackend" is the alias|'
                     r'Failed to search registry with scope "\w+" in the "function" registry|'
                     r'The prefix is not set in metric class IoUMetric')


class _StartHook(Hook):
    """Knows whether the first loop has begun."""

    begun = False

    def _note(self, runner) -> None:
        self.begun = True

    before_train = before_val = before_test = _note


def _warns(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _is_no_aside(record: logging.LogRecord) -> bool:
    return not _ASIDES.match(record.getMessage())


class _NotCopied:
    """Copied into what it holds: mmengine copies a loader's config, and a dataset may be large."""

    def __init__(self, held: Any):
        self._held = held

    def __deepcopy__(self, memo: dict) -> Any:
        return self._held


class _Runner(Runner):
    """mmengine's, with datasets that are loaded, by loop; what it logs before a run goes to the file only."""

    _loaded: dict[str, Any]
    _screens: list[logging.Handler]

    def build_logger(self, *args, **kwargs):
        logger = super().build_logger(*args, **kwargs)
        self._screens = [handler for handler in logger.handlers if not isinstance(handler, logging.FileHandler)]
        for handler in self._screens:
            handler.addFilter(_warns)
            handler.addFilter(_is_no_aside)
        return logger

    def call_hook(self, fn_name: str, **kwargs) -> None:
        if fn_name == 'before_run':
            for handler in self._screens:
                handler.removeFilter(_warns)
        super().call_hook(fn_name, **kwargs)

    def scale_lr(self, optim_wrapper, auto_scale_lr=None) -> None:
        # mmengine's counts the images of a forward pass, and a step may accumulate several.
        counts = getattr(optim_wrapper, '_accumulative_counts', 1)
        if auto_scale_lr and counts > 1 and 'base_batch_size' in auto_scale_lr:
            auto_scale_lr = {**auto_scale_lr, 'base_batch_size': auto_scale_lr['base_batch_size'] / counts}
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def build_evaluator(self, evaluator):
        with redirect_stdout(io.StringIO()):  # pycocotools says that it reads a file
            return super().build_evaluator(evaluator)

    def build_dataloader(self, dataloader, *args, **kwargs):
        for loop, dataset in getattr(self, '_loaded', {}).items():
            if dataloader is getattr(self, f'_{loop}_dataloader') and isinstance(dataloader, dict):
                dataloader = {**dataloader, 'dataset': _NotCopied(dataset)}
        return Runner.build_dataloader(dataloader, *args, **kwargs)


class _Tester(_Runner):
    """Writes no config into the work dir, which may be that of a training and has the training's there."""

    def dump_config(self) -> None:
        pass


def build_runner(cfg: Config, loops: tuple[str, ...]) -> Runner:
    """Load the datasets of a config, look at them, and build its Runner, with the hooks that every run of ours has."""
    if 'runner_type' in cfg:
        # FlexibleRunner, for the strategies that split a model over processes, loads by itself.
        runner, hooks = RUNNERS.build(cfg), [PreflightHook()]
    else:
        loaded = {loop: _load(cfg, loop) for loop in loops if cfg.get(f'{loop}_dataloader')}
        splits = [check_dataset(dataset, loop, cfg) for loop, dataset in loaded.items()]
        runner, hooks = (_Runner if 'train' in loops else _Tester).from_cfg(cfg), [PreflightHook(splits)]
        runner._loaded = loaded
    for hook in (*hooks, _StartHook(), *([InvalidLossHook()] if 'train' in loops else [])):
        runner.register_hook(hook)
    return runner


def has_begun(runner: Runner | None) -> bool:
    """Return whether a Runner of :func:`build_runner` has come to its first loop."""
    return any(hook.begun for hook in getattr(runner, 'hooks', ()) if isinstance(hook, _StartHook))


def _load(cfg: Config, loop: str) -> Any:
    config = cfg[f'{loop}_dataloader'].dataset
    with config_scope(cfg), redirect_stdout(io.StringIO()):
        try:
            dataset = DATASETS.build(config)
            if hasattr(dataset, 'full_init'):
                dataset.full_init()
        except json.JSONDecodeError as error:
            files = ', '.join(file for _, inner in innermost_datasets(config, '') if (file := annotation_file(inner)))
            raise ConfigProblem(f'{loop}_dataloader.dataset: ann_file={files} is not JSON: {error}.') from None
        except ValueError as error:
            if 'need at least one array to concatenate' in str(error):  # mmengine's words for an empty list
                raise empty(f'{loop}_dataloader.dataset', config) from None
            raise
    return dataset
