"""Observe or replace the gates of a network while it runs, and restore it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from se_backbones.engine.sites import Site
from se_backbones.ops import gated_scale

See = Callable[[Site, Tensor], Tensor | None]


class Replacement(nn.Module):
    """A module to put into an operator's slot: its forward runs as it is, never fused with what is around it."""


class _ObservedOperator(Replacement):
    """Applies an operator's gate, as the operator does, after it was observed."""

    def __init__(self, site: Site, see: See):
        super().__init__()
        self.operator = site.operator
        self.site, self.see = site, see

    def forward(self, x: Tensor) -> Tensor:
        gate = self.operator.gate(x)
        seen = self.see(self.site, gate)
        return gated_scale(x, gate if seen is None else seen)


@contextmanager
def replace_modules(model: nn.Module, modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Put other modules into ``model``, ``{path: module}``, and the old ones back at the end."""
    before = {path: model.get_submodule(path) for path in modules}
    try:
        _put(model, modules)
        yield
    finally:
        _put(model, before)


def _put(model: nn.Module, modules: Mapping[str, nn.Module]) -> None:
    for path, module in modules.items():
        parent, _, name = path.rpartition('.')
        setattr(model.get_submodule(parent), name, module)


@contextmanager
def observe_gates(model: nn.Module, sites: Iterable[Site], see: See) -> Iterator[None]:
    """Call ``see(site, gate)`` at each pass through one of the operators, within the context.

    Args:
        model: The network that the sites are of.
        sites: Operators with a path within ``model``.
        see: Takes a site and its gate ``(N, C, H', W')``; returns None, or the gate to apply in its place.
    """
    with replace_modules(model, {site.path: _ObservedOperator(site, see) for site in sites}):
        yield


def check_finite(site: Site, gate: Tensor) -> None:
    """Raise ValueError if the gate holds a NaN or an infinity."""
    bad = ~gate.isfinite()
    if bad.any():
        channels = bad.any(dim=(0, 2, 3)).nonzero().flatten().tolist()
        raise ValueError(f'The gate of {site.name} ({site.path}) is not finite in {len(channels)} of '
                         f'{gate.shape[1]} channels (the first is {channels[0]}): the weights or the images hold NaN '
                         'or infinite values.')
