"""What is looked at before a run starts, so that a wrong config or missing data costs seconds.

Each problem is one message: what is wrong, where in the config, and what to do.
"""

import os.path as osp
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from se_backbones.datasets.expected import describe, required
from se_backbones.registry import SCOPE
from se_backbones.utils.dataset_configs import innermost_datasets


class ConfigProblem(ValueError):
    """A config that cannot run; the message is for the person who wrote it."""


def check_config(cfg: Config, loops: tuple[str, ...]) -> None:
    """Check a config before its Runner is built.

    Args:
        cfg: The whole config.
        loops: Which loops will run: ``'train'``, ``'val'``, ``'test'``.

    Raises:
        ConfigProblem: ``context`` is given to a type that does not take it, an initialiser would be undone, a data
            set's files are missing, a distributed run would hang at its first checkpoint, or a mean teacher would not
            learn the norms of its gathers.
    """
    _check_prefix(cfg.get('model', {}), 'model')
    _check_whole_init(cfg.get('model', {}))
    if 'train' in loops:
        _check_split_optimizer(cfg)
        _check_mean_teacher(cfg)
    missing = [problem for loop in loops for problem in _missing_files(cfg.get(f'{loop}_dataloader'), loop)]
    if missing:
        raise ConfigProblem(_missing_text(cfg, missing))


def _check_prefix(node: Any, key: str) -> None:
    if isinstance(node, dict):
        kind = node.get('type')
        if 'context' in node and isinstance(kind, str) and not kind.startswith(f'{SCOPE}.'):
            raise ConfigProblem(f"{key}.type={kind!r} takes no context; write type='{SCOPE}.{kind.split('.')[-1]}', "
                                'whose prefix makes mmengine import it.')
        for name, value in node.items():
            _check_prefix(value, f'{key}.{name}')
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            _check_prefix(value, f'{key}[{index}]')


def _check_whole_init(model: dict) -> None:
    """mmengine runs what is not spelled ``Pretrained`` before the heads draw their start, which then undoes it."""
    inits = model.get('init_cfg') or []
    for init in inits if isinstance(inits, (list, tuple)) else [inits]:
        kind = init.get('type')
        if isinstance(kind, str) and kind != 'Pretrained' and not kind.startswith(f'{SCOPE}.') \
                and kind.split('.')[-1] in ('Pretrained', 'PretrainedInit'):
            raise ConfigProblem(f"model.init_cfg.type={kind!r}: mmengine would let the heads draw their start over "
                                "what it loads. Write type='Pretrained'.")


def _check_split_optimizer(cfg: Config) -> None:
    """ZeroRedundancyOptimizer gathers its state from all processes; mmengine's Runner asks for it in one of them."""
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer') or {}
    hook = (cfg.get('default_hooks') or {}).get('checkpoint', {})
    if optimizer.get('type') == 'ZeroRedundancyOptimizer' and cfg.get('launcher', 'none') != 'none' \
            and hook is not None and hook.get('save_optimizer', True):
        raise ConfigProblem('optim_wrapper.optimizer.type=ZeroRedundancyOptimizer cannot be saved: the run would hang '
                            'at its first checkpoint. Set default_hooks.checkpoint.save_optimizer=False (a resumed run '
                            'then begins with a fresh state), or use a strategy of FlexibleRunner.')


def _check_mean_teacher(cfg: Config) -> None:
    """Unlike EMAHook's, the teacher of mmdet's hook keeps the running statistics that it was built with: 0 and 1."""
    for number, hook in enumerate(cfg.get('custom_hooks') or ()):
        kind = hook.get('type')
        name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
        if name.split('.')[-1] == 'MeanTeacherHook' and hook.get('skip_buffer', True) and _learned_gather(cfg.model):
            raise ConfigProblem(f'custom_hooks[{number}] ({name}) does not average running statistics, and the gather '
                                'norms of GatherExcite (theta, theta_plus) would stay at 0 and 1 in the teacher. Set '
                                f'custom_hooks[{number}].skip_buffer=False.')


def _learned_gather(node: Any) -> bool:
    if isinstance(node, dict):
        return node.get('variant') in ('theta', 'theta_plus') or any(map(_learned_gather, node.values()))
    return isinstance(node, (list, tuple)) and any(map(_learned_gather, node))


def _missing_files(loader: dict | None, loop: str) -> Iterator[str]:
    for key, dataset in innermost_datasets(loader, f'{loop}_dataloader'):
        root = dataset.get('data_root') or ''
        prefix = dataset.get('data_prefix')
        places = [dataset.get('ann_file'), *(prefix.values() if isinstance(prefix, dict) else [prefix])]
        places = [osp.join(root, place) for place in places if isinstance(place, str) and place] or required(dataset)
        if '://' in root or any('://' in place for place in places):
            continue  # a remote backend; its own errors tell
        yield from (f'{key}: {place}' for place in (places or [root]) if place and not osp.exists(place))


def _missing_text(cfg: Config, missing: list[str]) -> str:
    dataset = next(iter(innermost_datasets(cfg.get('train_dataloader') or cfg.get('test_dataloader'), '')))[1]
    val = next(iter(innermost_datasets(cfg.get('val_dataloader') or cfg.get('test_dataloader'), '')), (None, None))[1]
    root = dataset.get('data_root') or ''
    lines = ['The data of this config is not there:', *(f'    {line}' for line in dict.fromkeys(missing))]
    if 'digit_scenes' in root:
        lines.append('Make it in seconds with: python tools/dataset_converters/make_digit_scenes.py')
    elif 'single_digits' in root:
        lines.append('Make it in seconds with: python tools/dataset_converters/make_digit_scenes.py --kind digits')
    elif (text := describe(dataset, val)) is not None:
        lines.append(text)
    else:
        lines.append(f'Put it there, or point {missing[0].split(":")[0]}.data_root elsewhere with --cfg-options.')
    return '\n'.join(lines)
