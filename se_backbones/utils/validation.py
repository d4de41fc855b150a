"""Checks of config values: each error names the key, the value and the allowed values."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name, or an empty string."""
    near = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f' Did you mean {near[0]!r}?' if near else ''


def first_few(names: Iterable[str], count: int = 5) -> str:
    """Return the first names, separated by commas, with an ellipsis if there are more."""
    names = list(names)
    return ', '.join(names[:count]) + (', ...' if len(names) > count else '')


def one_of(key: str, value: Any, allowed: Sequence) -> Any:
    """Return ``value`` if it is among ``allowed`` (by value and type: ``True`` is not 1).

    Raises:
        ValueError: It is not.
    """
    if any(value == choice and type(value) is type(choice) for choice in allowed):
        return value
    hint = did_you_mean(value, [choice for choice in allowed if isinstance(choice, str)])
    raise ValueError(f'{key} must be one of {", ".join(map(repr, allowed))}, got {value!r}.{hint}')


def known_keys(key: str, given: dict, allowed: Sequence[str]) -> None:
    """Raise ValueError for the first key of ``given`` that is not among ``allowed``."""
    for name in given:
        if name not in allowed:
            raise ValueError(f'{key} has no option {name!r}; it takes {", ".join(allowed)}.'
                             f'{did_you_mean(name, allowed)}')


def positive_int(key: str, value: Any) -> int:
    """Return ``value`` if it is an int of at least 1, else raise ValueError."""
    return int_from(1, key, value)


def int_from(least: int, key: str, value: Any) -> int:
    """Return ``value`` if it is an int of at least ``least``, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f'{key} must be an int of at least {least}, got {value!r}.')
    return value


def image_size(key: str, value: Any) -> tuple[int, int]:
    """Return ``(height, width)`` from an int (a square) or a pair of ints, else raise ValueError."""
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f'{key} must be an int or (height, width), got {value!r}.')
    return positive_int(key, pair[0]), positive_int(key, pair[1])


def probability(key: str, value: float) -> float:
    """Return ``value`` if it is at least 0 and below 1, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(f'{key} must be at least 0 and below 1, got {value!r}.')
    return value
