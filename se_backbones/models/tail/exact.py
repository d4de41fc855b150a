"""The one predicate of the fast paths: whether modules are exactly those that other code stands in for.

Fast code replaces modules whose class, ``forward`` and ``gate`` are the ones that it equals, and that nobody watches or
has changed: no hooks, no patched methods (as profilers, pruning tools and launchers patch them), no parametrised,
quantisation-aware or wrapped layers. Whatever is not known runs as it is written. Asked at each call, in microseconds.
"""

import logging
from functools import cache
from typing import TYPE_CHECKING

from mmengine.logging import print_log
from torch import nn
from torch.nn.modules import module as torch_module

from se_backbones.models.operators.base import ContextOperator
from se_backbones.models.operators.excite import BottleneckExcite, PointwiseConv
from se_backbones.models.operators.gather import DepthwiseGather, FullMapGather, GlobalPool, LocalAveragePool

if TYPE_CHECKING:
    from se_backbones.models.units import ResidualUnit

STOCK = {cls: cls.forward for cls in (nn.BatchNorm2d, nn.Conv2d, nn.GroupNorm, nn.Identity, nn.ReLU)}
FORWARD = ContextOperator.forward
CALL = nn.Module.__call__, nn.Module._call_impl
# Parts of operators that do not keep what they are given.
KEEP_NOTHING = {*STOCK, BottleneckExcite, DepthwiseGather, FullMapGather, GlobalPool, LocalAveragePool, PointwiseConv}
# Hooks of all modules at once.
_GLOBAL_HOOKS = ('_global_forward_hooks', '_global_forward_pre_hooks', '_global_backward_hooks',
                 '_global_backward_pre_hooks')


def why_not_fused(unit: 'ResidualUnit') -> str | None:
    """Return why the unit's end must run as written, where autograd may run; None: other code may stand in for it."""
    operator = unit.context['standard']
    reason = _why_written(unit)
    if reason:
        return reason
    gather = getattr(operator, 'gather', None)
    if not (stands_for(type(operator), 'gate_of_affine', 'gate') and getattr(gather, 'takes_affine', False)
            and stands_for(type(gather), 'of_affine', 'forward')):
        return f'context.standard ({type(operator).__name__}) has no form for features that are not built'
    if 'of_affine' in vars(gather) or 'gate_of_affine' in vars(operator):
        return 'context.standard is patched'
    # What the gather does is done by other code; the excitation is called.
    if reason := touched(gather):
        return f'{_name(unit, gather)} {reason}'
    for module in gather.children():
        if not is_stock(module, nn.Conv2d, nn.BatchNorm2d, nn.GroupNorm, nn.Identity):
            return f'{_name(unit, module)} ({type(module).__name__}) {touched(module) or "is not known"}'
    return None


def why_not_in_place(unit: 'ResidualUnit') -> str | None:
    """Return why the unit's end must run as written without autograd; None: it may go on in its norm's new tensor."""
    reason = _why_written(unit)
    if reason:
        return reason
    operator = unit.context['standard']
    if type(operator).gate is not ContextOperator.gate:
        return 'context.standard has a gate of its own'
    if not is_stock(unit.closing_norm, nn.BatchNorm2d):
        return 'no batch norm of torch ends the branch'
    # Whoever is or watches a part of the operator may keep the tensor that would be overwritten.
    for module in operator.modules():
        reason = touched(module) or (type(module) not in KEEP_NOTHING and module is not operator and 'is not known')
        if reason:
            return f'{_name(unit, module)} ({type(module).__name__}) {reason}'
    return None


def _why_written(unit: 'ResidualUnit') -> str | None:
    """Return what stands between norm, gate and sum, or who looks at tensors that would not exist."""
    operator = unit.context['standard']
    cls = type(unit)
    if (nn.Module.__call__, nn.Module._call_impl) != CALL:
        return 'the call of all modules is patched'
    if not isinstance(operator, ContextOperator) or type(operator).forward is not FORWARD:
        return f'context.standard ({type(operator).__name__}) is another function than x * gate(x)'
    if 'gate' in vars(operator):
        return 'context.standard is patched'
    if reason := touched(operator):
        return f'context.standard {reason}'
    if unit.residual_scale != 1 or not unit.sums:
        return 'branch and shortcut are not simply summed'
    if not stands_for(cls, 'open_branch', 'branch'):
        return f'{cls.__name__} has a branch of its own'
    if vars(unit).keys() & {'branch', 'open_branch', 'combine', 'at'}:
        return f'{cls.__name__} is patched'
    for module, classes in ((unit.drop_path, (nn.Identity,)), (unit.activation, (nn.ReLU, nn.Identity)),
                            (unit.closing_norm, (nn.BatchNorm2d, nn.Identity, type(None)))):
        if module is not None and not is_stock(module, *classes):
            return f'{_name(unit, module)} ({type(module).__name__}) {touched(module) or "is not known"}'
    return None


def is_stock(module: nn.Module | None, *classes: type) -> bool:
    """Return whether a module is exactly of one of torch's classes, with torch's ``forward``, and untouched."""
    cls = type(module)
    return cls in classes and STOCK.get(cls) is cls.forward and touched(module) is None


def touched(module: nn.Module) -> str | None:
    """Return how a module was changed or is watched, or None."""
    names = module.__dict__
    if 'forward' in names or names.get('_compiled_call_impl') is not None:
        return 'is patched'
    if (names['_forward_hooks'] or names['_forward_pre_hooks'] or names['_backward_hooks']
            or names['_backward_pre_hooks'] or any(getattr(torch_module, hooks) for hooks in _GLOBAL_HOOKS)):
        return 'has a hook'
    return None


def stands_for(cls: type, fast: str, written: str) -> bool:
    """Return whether ``fast`` was defined with ``written`` or after it: who overrides the latter alone means it.

    A ``fast`` that calls ``written``, as the residual unit's ``open_branch`` does, says so by the attribute ``calls``.
    """
    method = getattr(cls, fast, None)
    if method is None:
        return False
    return getattr(method, 'calls', None) == written or issubclass(_owner(cls, fast), _owner(cls, written))


def _owner(cls: type, name: str) -> type:
    return next(owner for owner in cls.__mro__ if name in vars(owner))


def _name(unit: nn.Module, module: nn.Module) -> str:
    return next((name for name, other in unit.named_modules() if other is module), type(module).__name__)


@cache
def tell(unit_class: str, reason: str) -> None:
    """Log once that units of a class run as they are written, and why."""
    print_log(f'The end of a {unit_class} runs as it is written: {reason}.', logger='current', level=logging.INFO)
