"""The one predicate of the fused tail: whether a unit's modules are exactly those that it equals.

Only modules of the known classes, with their own ``forward`` and ``gate``, are fused: no hooks, no patched methods (as
profilers, pruning tools and launchers patch them), no parametrised, quantisation-aware or wrapped layers. Whatever is
not known runs plain. Asked at each call, in microseconds.
"""

import logging
from functools import cache
from typing import TYPE_CHECKING

from mmengine.logging import print_log
from mmengine.model.utils import _BatchNormXd
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from se_backbones.models.operators import ContextOperator, gather

if TYPE_CHECKING:
    from se_backbones.models.units import ResidualUnit

# As they were when this was imported, so that a class that somebody patches later is not taken for itself.
STOCK = {cls: cls.forward for cls in (
    nn.BatchNorm2d, _BatchNormXd, nn.Conv2d, nn.GroupNorm, nn.Identity, nn.ReLU, gather.GlobalPool,
    gather.LocalAveragePool, gather.DepthwiseGather, gather.FullMapGather)}
FORWARD, GATE = ContextOperator.forward, ContextOperator.gate
CALL = nn.Module.__call__, nn.Module._call_impl
DROP_PATHS, ACTIVATIONS = {nn.Identity}, {nn.ReLU, nn.Identity}
NORMS = {nn.BatchNorm2d, _BatchNormXd, nn.Identity}  # the second is what mmengine makes of SyncBN in one process
PLAIN = {nn.Parameter, Tensor, type(None)}  # kinds of parameters: a subclass may compute in another way


def why_not_fused(unit: 'ResidualUnit', norm: nn.Module | None) -> str | None:
    """Return why the unit's tail must run plain; None: it may be fused.

    Args:
        unit: One with an operator in its ``standard`` slot.
        norm: Its closing norm.
    """
    if (nn.Module.__call__, nn.Module._call_impl) != CALL:
        return 'the call of all modules is patched'
    if (torch_module._global_forward_hooks or torch_module._global_forward_pre_hooks
            or torch_module._global_backward_hooks or torch_module._global_backward_pre_hooks):
        return 'all modules have a hook'
    if not unit.sums:
        return 'branch and shortcut are not simply summed'
    for module, classes in ((unit.drop_path, DROP_PATHS), (unit.activation, ACTIVATIONS), (norm, NORMS)):
        if module is not None and (reason := changed(module) or (type(module) not in classes and 'is not known')):
            return f'{_name(unit, module)} ({type(module).__name__}) {reason}'
    operator = unit.context['standard']
    cls, names = type(operator), operator.__dict__
    if not (isinstance(operator, ContextOperator) and cls.forward is FORWARD
            and (cls.gate is GATE or _owner(cls, 'gate') is not ContextOperator
                 and stands_for(cls, 'gate_of_affine', 'gate'))):
        return f'context.standard ({cls.__name__}) does not compute x * gate(x)'
    if reason := touched(operator) or (('gate' in names or 'gate_of_affine' in names) and 'is patched'):
        return f'context.standard {reason}'
    return _why_built(unit, operator.gather)


def _why_built(unit: 'ResidualUnit', module: nn.Module) -> str | None:
    """Return why a gather needs the normalised features; what it does is done by other code, the excitation is run."""
    cls = type(module)
    if not (getattr(module, 'takes_affine', False) and STOCK.get(cls, cls.forward) is cls.forward
            and (cls in STOCK or stands_for(cls, 'of_affine', 'forward'))):
        return f'{_name(unit, module)} ({cls.__name__}) has no of_affine for its forward'
    if reason := touched(module) or ('of_affine' in module.__dict__ and 'is patched'):
        return f'{_name(unit, module)} {reason}'
    for child in module._modules.values():
        if reason := changed(child):
            return f'{_name(unit, child)} ({type(child).__name__}) {reason}'
    return None


def changed(module: nn.Module) -> str | None:
    """Return why a module is not just one of torch's, with torch's ``forward``, plain parameters, and untouched."""
    cls = type(module)
    if STOCK.get(cls) is not cls.forward:
        return 'is not known'
    for value in module._parameters.values():
        if type(value) not in PLAIN:
            return 'is not known'
    return touched(module)


def touched(module: nn.Module) -> str | None:
    """Return how a module was changed or is watched, or None."""
    names = module.__dict__
    if 'forward' in names or names.get('_compiled_call_impl') is not None:
        return 'is patched'
    if (names['_forward_hooks'] or names['_forward_pre_hooks'] or names['_backward_hooks']
            or names['_backward_pre_hooks']):
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
    """Log once why the tails of a class of units are not fused."""
    print_log(f'The tail of {unit_class} is not fused: {reason}.', logger='current', level=logging.INFO)
