"""The one predicate of the fast path: whether modules are exactly those that other code stands in for.

Fast code replaces modules whose class, ``forward`` and ``gate`` are the ones that it equals, and that nobody watches or
has changed: no hooks, no patched methods (as profilers, pruning tools and launchers patch them), no parametrised,
quantisation-aware or wrapped layers. Whatever is not known runs as it is written. Asked at each call, in microseconds.
"""

import logging
from functools import cache
from typing import TYPE_CHECKING

from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from se_backbones.models.operators import ContextOperator, gather

if TYPE_CHECKING:
    from se_backbones.models.units import ResidualUnit

# As they were when this was imported, so that a class that somebody patches later is not taken for itself.
STOCK = {cls: cls.forward for cls in (
    nn.BatchNorm2d, nn.Conv2d, nn.GroupNorm, nn.Identity, nn.ReLU, gather.GlobalPool, gather.LocalAveragePool,
    gather.DepthwiseGather, gather.FullMapGather)}
FORWARD, GATE = ContextOperator.forward, ContextOperator.gate
CALL = nn.Module.__call__, nn.Module._call_impl
# Hooks of all modules at once.
_GLOBAL_HOOKS = ('_global_forward_hooks', '_global_forward_pre_hooks', '_global_backward_hooks',
                 '_global_backward_pre_hooks')


def why_not_fused(unit: 'ResidualUnit') -> str | None:
    """Return why the unit's end must run as it is written; None: other code may stand in for it."""
    operator = unit.context['standard']
    if (nn.Module.__call__, nn.Module._call_impl) != CALL:
        return 'the call of all modules is patched'
    if not unit.sums:
        return 'branch and shortcut are not simply summed'
    for module, classes in ((unit.drop_path, (nn.Identity,)), (unit.activation, (nn.ReLU, nn.Identity)),
                            (unit.closing_norm, (nn.BatchNorm2d, nn.Identity))):
        if module is not None and not is_stock(module, *classes):
            return f'{_name(unit, module)} ({type(module).__name__}) {touched(module) or "is not known"}'
    cls, names = type(operator), vars(operator)
    if not (isinstance(operator, ContextOperator) and cls.forward is FORWARD
            and (cls.gate is GATE or _owner(cls, 'gate') is not ContextOperator
                 and stands_for(cls, 'gate_of_affine', 'gate'))):
        return f'context.standard ({cls.__name__}) is another function than x * gate(x)'
    if reason := touched(operator) or (('gate' in names or 'gate_of_affine' in names) and 'is patched'):
        return f'context.standard {reason}'
    return _why_built(unit, operator.gather)


def _why_built(unit: 'ResidualUnit', module: nn.Module) -> str | None:
    """Return why a gather needs the normalised features; what it does is done by other code, the excitation is run."""
    cls = type(module)
    if not (getattr(module, 'takes_affine', False) and stands_for(cls, 'of_affine', 'forward')
            and STOCK.get(cls, cls.forward) is cls.forward):
        return f'{_name(unit, module)} ({cls.__name__}) has no form for features that are not built'
    if reason := touched(module) or ('of_affine' in vars(module) and 'is patched'):
        return f'{_name(unit, module)} {reason}'
    for child in module.children():
        if not is_stock(child, nn.Conv2d, nn.BatchNorm2d, nn.GroupNorm, nn.Identity):
            return f'{_name(unit, child)} ({type(child).__name__}) {touched(child) or "is not known"}'
    return None


def is_stock(module: nn.Module, *classes: type) -> bool:
    """Return whether a module is exactly of one of torch's classes, with torch's ``forward``, and untouched.

    Its parameters are plain tensors: a subclass may compute in another way.
    """
    cls = type(module)
    return (cls in classes and STOCK[cls] is cls.forward and touched(module) is None
            and all(type(value) in (nn.Parameter, Tensor, type(None)) for value in module._parameters.values()))


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
    """Return whether ``fast`` was defined with ``written`` or after it: who overrides the latter alone means it."""
    return hasattr(cls, fast) and issubclass(_owner(cls, fast), _owner(cls, written))


def _owner(cls: type, name: str) -> type:
    return next(owner for owner in cls.__mro__ if name in vars(owner))


def _name(unit: nn.Module, module: nn.Module) -> str:
    return next((name for name, other in unit.named_modules() if other is module), type(module).__name__)


@cache
def tell(unit_class: str, reason: str) -> None:
    """Log once that units of a class run as they are written, and why."""
    print_log(f'The end of a {unit_class} runs as it is written: {reason}.', logger='current', level=logging.INFO)
