"""Checks of the arguments that backbones share, by their names, before a constructor runs."""

from collections.abc import Callable
from functools import partial
from typing import Any

from se_backbones.utils.signatures import arguments
from se_backbones.utils.validation import known_keys, one_of, positive_int, probability


def check_arguments(cls: type, args: tuple, kwargs: dict) -> None:
    """Check what ``cls(*args, **kwargs)`` is given; arguments without a rule here are checked by the classes.

    Raises:
        ValueError: An unknown argument, with the near one, or a value of the wrong kind.
    """
    known = arguments(cls)
    known_keys(cls.__name__, kwargs, list(known))
    for name, value in {**dict(zip(known, args, strict=False)), **kwargs}.items():
        if name in _RULES and not (value is None and known[name].default is None):
            _RULES[name](name, value)


def _bool(key: str, value: Any) -> None:
    one_of(key, value, (True, False))


def _int(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f'{key} must be an int, got {value!r}.')


def _each(check: Callable[[str, Any], Any], key: str, value: Any) -> None:
    if not isinstance(value, (tuple, list)):
        raise ValueError(f'{key} must be a tuple or a list, got {value!r}.')
    for entry in value:
        check(f'{key}[...]', entry)


def _factor(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float('inf'):
        raise ValueError(f'{key} must be a number above 0, got {value!r}.')


def _classes(key: str, value: Any) -> None:
    if value != -1 or isinstance(value, float):
        positive_int(f'{key} (-1: none)', value)


def _config(key: str, value: Any) -> None:
    # None: no layer of that kind, as VGG has no norms then, or the default one.
    if value is not None and (not isinstance(value, dict) or 'type' not in value):
        raise ValueError(f'{key} must be a dict with a type, got {value!r}.')


_RULES = {
    **dict.fromkeys(['in_channels', 'stem_channels', 'base_channels', 'fc_channels', 'base_width', 'groups',
                     'width_per_group', 'expansion', 'se_ratio', 'num_stages'], positive_int),
    **dict.fromkeys(['norm_eval', 'with_cp', 'deep_stem', 'avg_down', 'zero_init_residual', 'ceil_mode',
                     'with_last_pool', 'context_per_branch', 'contract_dilation'], _bool),
    **dict.fromkeys(['strides', 'dilations', 'multi_grid'], partial(_each, positive_int)),
    **dict.fromkeys(['drop_path_rate', 'dropout'], probability),
    **dict.fromkeys(['conv_cfg', 'norm_cfg'], _config),
    'out_indices': partial(_each, _int),
    'stage_with_dcn': partial(_each, _bool),
    'frozen_stages': _int,
    'widen_factor': _factor,
    'num_classes': _classes,
}
