"""Checks before a run starts, so that a wrong config or missing data costs seconds.

Each problem is one message: what is wrong, where in the config, and what to do.
"""

import logging
import os
import os.path as osp
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.logging import print_log

from se_backbones.datasets.expected import describe, required
from se_backbones.engine.checks.config_tree import ConfigProblem, datasets_of, evaluators_of, nodes, on_disk
from se_backbones.registry import SCOPE
from se_backbones.utils.config_types import HOSTS, type_name, type_path
from se_backbones.utils.dataset_configs import first_dataset, innermost_datasets
from se_backbones.utils.validation import did_you_mean

if TYPE_CHECKING:
    from torch import nn

__all__ = ['ConfigProblem', 'check_config', 'check_files', 'check_settings']

# How the datasets of the small configs are made, by the name of their folder.
MADE_BY = {
    'digit_scenes': 'se-backbones data digits',
    'hard_digit_scenes': 'se-backbones data digits --hard',
    'single_digits': 'se-backbones data digits --kind digits',
    'tree_crowns': 'pip download --no-deps deepforest==2.1.0 && se-backbones data trees',
}


def check_config(cfg: Config, loops: tuple[str, ...], model: 'nn.Module | None' = None) -> None:
    """Check a config before its Runner is built. Every tool calls it, and ``PreflightHook`` in the scripts of others.

    Args:
        cfg: The whole config.
        loops: Which loops will run: ``'train'``, ``'val'``, ``'test'``; none for a model without data.
        model: The config's model; None: it is built, without memory.

    Raises:
        ConfigProblem: The first thing that is wrong, in one message.
    """
    check_files(cfg, loops)
    check_settings(cfg, loops, model)


def check_settings(cfg: Config, loops: tuple[str, ...], model: 'nn.Module | None' = None) -> None:
    """Check how the parts of a config fit together, with the annotation files that exist, and with published weights.

    Raises:
        ConfigProblem: They do not fit, or a constructor refuses its arguments.
        WeightsError: There are no published weights of a name in the config.
    """
    # They import torch and the hosts, which take seconds.
    from se_backbones.engine.checks import annotations, heads, network, options
    from se_backbones.pretrained.requirements import setting_problems, warn_about_images
    for text in options.misspelt_keys(cfg):
        warnings.warn(text, stacklevel=2)
    for check in (heads.check_one_order, annotations.check_class_names, heads.check_heads, heads.check_topk,
                  heads.check_palette):
        check(cfg, loops)
    model = model or network.built(cfg)
    if 'train' in loops:
        network.check_optimizer(cfg)
    if model is not None:
        network.check_channels(cfg, model)
        network.check_map_sizes(cfg, model, loops)
        warn_about_images(cfg)
        if problem := next(setting_problems(cfg), None):
            raise ConfigProblem(problem)
        if 'train' in loops:
            network.check_synchronised_norms(cfg, model)
            network.check_mean_teacher(cfg, model)
            network.check_layer_decay(cfg, model)
            for text in (*network.unsteady_norms(cfg, model), *network.norms_that_mmdet_freezes(cfg, model)):
                print_log(text, logger='current', level=logging.WARNING)


def check_files(cfg: Config, loops: tuple[str, ...]) -> None:
    """Check what needs neither torch nor the hosts, which take seconds to import.

    Raises:
        ConfigProblem: ``context`` is given to a type that does not take it, pipelines in JSON lack tuples, an
            initialiser would be undone, a dataset's files are missing, or a distributed run would hang at its first
            checkpoint.
    """
    _check_prefix(cfg)
    _check_tuples(cfg, loops)
    _check_whole_init(cfg.get('model') or {})
    if 'train' in loops:
        _check_split_optimizer(cfg)
    missing = [*_missing_files(cfg, loops)]
    if missing:
        raise ConfigProblem(_missing_text(cfg, missing))
    missing = [f'{key}.ann_file={node["ann_file"]}' for key, node in evaluators_of(cfg, loops)
               if isinstance(node.get('ann_file'), str) and '://' not in node['ann_file']
               and on_disk(node) and not osp.exists(node['ann_file'])]
    if missing:
        raise ConfigProblem(f'{missing[0]} does not exist; an evaluator reads the annotations of its dataset.')


def _check_prefix(cfg: Config) -> None:
    for key, node in nodes(cfg.get('model') or {}, 'model'):
        kind = type_path(node)
        if 'context' not in node or not kind or kind.startswith(f'{SCOPE}.'):
            continue
        if isinstance(node['type'], str):
            raise ConfigProblem(f"{key}.type={kind!r} takes no context; write type='{SCOPE}.{type_name(node)}', "
                                'whose prefix makes mmengine import it.')
        if kind.split('.')[0] in HOSTS:  # another class of a config in Python may be made of ours
            raise ConfigProblem(f'{key}.type={kind} takes no context; import {type_name(node)} from '
                                f'{SCOPE}.models.backbones.')


def _check_tuples(cfg: Config, loops: tuple[str, ...]) -> None:
    """JSON writes tuples as lists, and transforms of the hosts tell them apart."""
    if not str(cfg.filename).endswith('.json'):
        return
    for key, dataset in datasets_of(cfg, loops):
        for name, node in nodes(dataset.get('pipeline'), f'{key}.pipeline'):
            for option in ('scale', 'scales'):
                if isinstance(node.get(option), list) and type_name(node).endswith('Resize'):
                    raise ConfigProblem(f'{name}.{option}={node[option]} is a list in {cfg.filename}, as JSON has no '
                                        f'tuples, and {type_name(node)} needs them. Dump the config as .py or .yaml.')


def _check_whole_init(model: dict) -> None:
    """mmengine runs what is not spelled ``Pretrained`` before the heads are initialised, which then undoes it."""
    inits = model.get('init_cfg') or []
    for init in inits if isinstance(inits, (list, tuple)) else [inits]:
        kind = init.get('type')
        if isinstance(kind, str) and kind != 'Pretrained' and not kind.startswith(f'{SCOPE}.') \
                and kind.split('.')[-1] in ('Pretrained', 'PretrainedInit'):
            raise ConfigProblem(f"model.init_cfg.type={kind!r}: mmengine would initialise the heads after "
                                "it, over what it loads. Write type='Pretrained'.")


def _check_split_optimizer(cfg: Config) -> None:
    """ZeroRedundancyOptimizer gathers its state from all processes; mmengine's Runner asks for it in one of them."""
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer') or {}
    hook = (cfg.get('default_hooks') or {}).get('checkpoint', {})
    if type_name(optimizer) == 'ZeroRedundancyOptimizer' and cfg.get('launcher', 'none') != 'none' \
            and hook is not None and hook.get('save_optimizer', True):
        raise ConfigProblem('optim_wrapper.optimizer.type=ZeroRedundancyOptimizer cannot be saved: the run would hang '
                            'at its first checkpoint. Set default_hooks.checkpoint.save_optimizer=False (a resumed run '
                            'then begins with a fresh state), or use a strategy of FlexibleRunner.')


def _missing_files(cfg: Config, loops: tuple[str, ...]) -> Iterator[str]:
    for key, dataset in datasets_of(cfg, loops):
        root = dataset.get('data_root') or ''
        prefix = dataset.get('data_prefix')
        places = [dataset.get('ann_file'), *(prefix.values() if isinstance(prefix, dict) else [prefix])]
        places = [osp.join(root, place) for place in places if isinstance(place, str) and place] or required(dataset)
        if '://' in root or any('://' in place for place in places) or not on_disk(dataset):
            continue  # a remote backend; its own errors tell
        yield from (f'{key}: {place}.{_nearest(place)}' for place in (places or [root])
                    if place and not osp.exists(place))


def _nearest(place: str) -> str:
    folder, name = osp.split(place.rstrip('/'))
    return did_you_mean(name, os.listdir(folder or '.')) if osp.isdir(folder or '.') else ''


def _missing_text(cfg: Config, missing: list[str]) -> str:
    dataset = first_dataset(cfg.get('train_dataloader') or cfg.get('test_dataloader'))
    val = next(iter(innermost_datasets(cfg.get('val_dataloader') or cfg.get('test_dataloader'), '')), (None, None))[1]
    root = dataset.get('data_root') or ''
    lines = ['The data of this config is not there:', *(f'    {line}' for line in dict.fromkeys(missing))]
    if made := MADE_BY.get(osp.basename(root.rstrip('/'))):
        lines.append(f'Make it in seconds with: {made}')
    elif (text := describe(dataset, val)) is not None:
        lines.append(text)
    else:
        lines.append(f'Put it there, or change data_root, ann_file or data_prefix of {missing[0].split(":")[0]}.')
    return '\n'.join(lines)
