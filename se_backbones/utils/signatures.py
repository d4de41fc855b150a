"""The constructor arguments of a class, those of its base classes included."""

import inspect
from typing import Any


def arguments(cls: type) -> dict[str, inspect.Parameter]:
    """Return the arguments of a class by name, with those that reach a base class through ``**kwargs``.

    Positional-only ones are what a class tells its base class, and left out. Where no base ends the ``**kwargs``, they
    are among the result: anything may be given.

    Raises:
        ValueError, TypeError: The signature of a constructor cannot be told, as of some that are written in C.
    """
    found: dict[str, inspect.Parameter] = {}
    by_position, rest = True, {}
    for base in cls.__mro__:
        if '__init__' in vars(base):
            own = list(inspect.signature(base.__init__).parameters.values())[1:]
            for parameter in own:
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                    kind = parameter.kind if by_position else parameter.KEYWORD_ONLY
                    found.setdefault(parameter.name, parameter.replace(kind=kind))
            rest = {parameter.name: parameter for parameter in own if parameter.kind is parameter.VAR_KEYWORD}
            if not rest:
                break
            by_position &= any(parameter.kind is parameter.VAR_POSITIONAL for parameter in own)
    return found | rest


class ConstructorSignature:
    """As ``__signature__`` of a class: ``inspect.signature`` and documentation show all of its :func:`arguments`."""

    def __get__(self, instance: Any, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError('__signature__')  # it is the class that is called with these
        return inspect.Signature(sorted(arguments(owner).values(), key=lambda parameter: parameter.kind))
