"""``--cfg-options``: parsing, and the refusal of keys that nothing reads."""

import argparse
import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine import registry
from mmengine.config import Config, DictAction

from se_backbones.engine.checks.config_tree import ConfigProblem, class_of, nodes
from se_backbones.utils.config_types import type_name
from se_backbones.utils.signatures import arguments
from se_backbones.utils.validation import did_you_mean

# What mmengine's runners, its Config and the hosts' tools read besides the Runner's arguments.
TOP_LEVEL = frozenset(
    'model work_dir train_dataloader val_dataloader test_dataloader train_cfg val_cfg test_cfg auto_scale_lr '
    'optim_wrapper param_scheduler val_evaluator test_evaluator default_hooks custom_hooks data_preprocessor load_from '
    'resume launcher env_cfg log_processor log_level visualizer default_scope randomness experiment_name runner_type '
    'strategy model_wrapper_cfg sync_bn find_unused_parameters activation_checkpointing efficient_conv_bn_eval compile '
    'custom_imports tta_model tta_pipeline'.split())
# The registries of dicts by the key that holds them, for those outside of the model.
_REGISTRIES = (('optimizer', 'OPTIMIZERS'), ('optim_wrapper', 'OPTIM_WRAPPERS'), ('pipeline', 'TRANSFORMS'),
               ('sampler', 'DATA_SAMPLERS'), ('dataset', 'DATASETS'), ('evaluator', 'METRICS'), ('hooks', 'HOOKS'),
               ('param_scheduler', 'PARAM_SCHEDULERS'))
# mmengine takes them out of a dict before its class sees it.
_TAKEN_OUT = {'type', '_delete_', '_scope_', 'constructor', 'paramwise_cfg', 'priority', 'convert_to_iter_based',
              'init_cfg'}


class Options(DictAction):
    """mmengine's action, except for values that it would mangle: it drops every space and takes a dict for a string."""

    def __call__(self, parser, namespace, values, option_string=None):
        options = dict(getattr(namespace, self.dest, None) or {})
        for word in values:
            key, equals, value = word.partition('=')
            if not equals:
                parser.error(f'--cfg-options takes KEY=VALUE, got {word!r}.')
            options[key] = self._parsed(parser, key, value)
        setattr(namespace, self.dest, options)

    def _parsed(self, parser: argparse.ArgumentParser, key: str, value: str) -> Any:
        try:
            parsed = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            if value.startswith(('dict(', '{')):
                parser.error(f'--cfg-options {key}={value}: write the dict as Python does, {{"type": "..."}}, or '
                             f'its entries one by one, {key}.type=...')
            tight = re.sub(r'\s*([,\[\]()])\s*', r'\1', value.strip())
            if ' ' not in tight:
                return self._parse_iterable(tight)
            if ',' in tight or tight.startswith(('[', '(')):
                parser.error(f'--cfg-options {key}={value}: in a list, strings with spaces need quotes: '
                             f"{key}=\"['a b', 'c']\"")
            return value
        # 1,2,3 is a list in mmengine; what has brackets is what it says.
        return list(parsed) if isinstance(parsed, tuple) and not value.startswith('(') else parsed


def merge_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Merge ``--cfg-options`` into a config.

    Raises:
        ConfigProblem: A path leads nowhere, or to what nothing reads.
    """
    before = cfg.to_dict()
    try:
        cfg.merge_from_dict(dict(options))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = error.args[0] if error.args else error
        raise ConfigProblem(f'--cfg-options: {text}') from None
    after = cfg.to_dict()
    for path in options:
        _check_path(path, before, after)


def _check_path(path: str, before: dict, after: dict) -> None:
    first, *rest = path.split('.')
    if first not in TOP_LEVEL:
        read = ' or '.join(_nearest(path, before))
        near = f' Did you mean {read}?' if read else did_you_mean(first, TOP_LEVEL)
        raise ConfigProblem(f'--cfg-options {path}: nothing reads it.{near}')
    there: Any = before
    node: Any = after
    for depth, name in enumerate([first, *rest]):
        there = _entry(there, name)
        if there is _ABSENT and isinstance(node, dict) and depth:
            key = '.'.join([first, *rest][:depth])
            known = _known(node, key, after)
            siblings = [str(other) for other in (_entry_at(before, key) or {}) if other != name]
            if known is not None and name not in known or \
                    known is None and get_close_matches(name, siblings, n=1, cutoff=0.85):
                near = did_you_mean(name, [*(known or ()), *siblings])
                what = 'there is no such key' if known is None else f'{_title(node, key)} takes no {name!r}'
                raise ConfigProblem(f'--cfg-options {path}: {what}.{near}')
            return
        node = _entry(node, name)


_ABSENT = object()


def _title(node: dict, key: str) -> str:
    return type_name(node) if 'type' in node else key


def _entry(node: Any, name: str) -> Any:
    if isinstance(node, (list, tuple)) and name.lstrip('-').isdigit():
        return node[int(name)] if int(name) < len(node) else _ABSENT
    return node.get(name, _ABSENT) if isinstance(node, dict) else _ABSENT


def _entry_at(node: Any, key: str) -> Any:
    for name in key.split('.'):
        node = _entry(node, name)
    return node if isinstance(node, dict) else None


def _known(node: dict, key: str, cfg: dict) -> set[str] | None:
    """Return what the class of a dict takes, or None where that cannot be told: it may be anything."""
    if key.endswith('_dataloader'):
        from torch.utils.data import DataLoader
        return {*inspect.signature(DataLoader).parameters, 'dataset', 'num_batch_per_epoch'}
    loop = key in ('train_cfg', 'val_cfg', 'test_cfg')
    if loop and 'type' not in node:
        return {'by_epoch', 'type', 'max_epochs', 'max_iters', 'val_begin', 'val_interval', 'dynamic_intervals', 'fp16'}
    if 'type' not in node or key.endswith('_cfg') and not loop:
        return None  # norm_cfg and others hold what their builders take out
    words = key.split('.')
    name = 'LOOPS' if loop else 'MODELS' if words[0] == 'model' else next(
        (name for word, name in _REGISTRIES if any(word in part for part in words)), None)
    if name is None:
        return None
    try:
        cls = class_of(node, cfg, getattr(registry, name))
    except KeyError:
        return None  # whoever builds it says so
    return _parameters(cls)


def _parameters(cls: Any) -> set[str] | None:
    """Return the names of what a class takes, those that reach its bases included; None: anything."""
    if not inspect.isclass(cls):
        return None
    try:
        found = arguments(cls)
    except (TypeError, ValueError):
        return None
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found.values())
    return None if open_ended else {*_TAKEN_OUT, *found}


def _nearest(path: str, cfg: dict) -> list[str]:
    """Return up to three keys of the config, which something reads, whose end is what was written or near to it."""
    last = path.split('.')[-1]
    keys = [f'{key}.{name}' for top in cfg if top in TOP_LEVEL for key, node in nodes(cfg[top], top) for name in node]
    keys = [key.replace('[', '.').replace(']', '') for key in keys]
    for match in (lambda key: key.endswith(f'.{path}'), lambda key: key.split('.')[-1] == last):
        found = sorted(filter(match, keys), key=lambda key: (key.startswith(('val', 'test')), key.count('.')))
        if found:
            return found[:3]
    near = get_close_matches(last, {key.split('.')[-1] for key in keys}, n=1, cutoff=0.75)
    return [key for key in keys if near and key.split('.')[-1] == near[0]][:3]


def misspelt_keys(cfg: Config) -> Iterator[str]:
    """Yield a warning for each top-level key of a config that is nearly one which the Runner reads."""
    for key in cfg:
        near = get_close_matches(key, TOP_LEVEL, n=1, cutoff=0.88)
        if near and key not in TOP_LEVEL and not key.endswith('_pipeline'):
            yield f'{cfg.filename}: nothing reads the key {key!r}. Did you mean {near[0]!r}?'
