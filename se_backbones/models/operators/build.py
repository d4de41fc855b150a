"""From the ``op`` dict of a config to an operator."""

import inspect
from typing import Any

from mmengine.utils import get_object_from_string

from se_backbones.models.operators.base import ContextOperator
from se_backbones.registry import MODELS, SCOPE
from se_backbones.utils.validation import did_you_mean, known_keys

# As many channels as the usual numbers of a group norm's groups all divide.
DIVISIBLE = 64 * 3 * 5 * 7


def operator_class(op: dict, key: str) -> type[ContextOperator]:
    """Return the class that ``op['type']`` is or names: with or without our prefix, or by its path.

    The name is looked up in our own registry's table, because ``MODELS.build`` asks the host's scope first: there a
    bare name is unknown or means something else.

    Raises:
        ValueError: ``op`` is not a dict with a ``type``, the name is unknown, or an option of ``op`` does not exist.
    """
    if not isinstance(op, dict) or 'type' not in op:
        raise ValueError(f"{key} must be a dict with a type, such as dict(type='SqueezeExcite'), got {op!r}.")
    operators = {name: cls for name, cls in MODELS.module_dict.items() if issubclass(cls, ContextOperator)}
    name = op['type']
    cls = name if inspect.isclass(name) else operators.get(str(name).removeprefix(f'{SCOPE}.'))
    if cls is None and '.' in str(name):  # a class as a config in Python is dumped
        cls = get_object_from_string(name)
    if not inspect.isclass(cls) or not issubclass(cls, ContextOperator):
        raise ValueError(f'{key}.type must be one of {", ".join(map(repr, sorted(operators)))}, got {name!r}.'
                         f'{did_you_mean(name, operators)}')
    # `_scope_` is stamped on every dict with a type that is inherited from another library's config.
    options = [name for name in inspect.signature(cls).parameters if name != 'in_channels']
    known_keys(f'{key} ({cls.__name__})', op, ['type', *options, '_scope_'])
    return cls


def build_operator(op: dict, in_channels: int, *, norm_cfg: dict, map_size: tuple[int, int],
                   key: str = 'context.op') -> ContextOperator:
    """Build the operator of one slot.

    Args:
        op: ``dict(type='SqueezeExcite' | 'GatherExcite', ...)``; what it says wins over the two below.
        in_channels: Channels of the slot.
        norm_cfg: The backbone's norm, for operators with norms.
        map_size: (H, W) at the slot, for operators that own a kernel of that size.
        key: The config key, for error messages.
    """
    cls = operator_class(op, key)
    options = {name: value for name, value in op.items() if name not in ('type', '_scope_')}
    surroundings: dict[str, Any] = dict(norm_cfg=norm_cfg, map_size=map_size)
    needed = cls.needs(**options) if hasattr(cls, 'needs') else set()
    for name, value in surroundings.items():
        if name in needed:
            options.setdefault(name, value)
    return cls(in_channels, **options)


def validate_operator(op: dict, key: str = 'context.op') -> None:
    """Raise ValueError for an ``op`` that could not be built, before any network is."""
    import torch
    with torch.device('meta'):
        build_operator(op, DIVISIBLE, norm_cfg=dict(type='BN'), map_size=(7, 7), key=key)
