"""Rules that rename keys, in both directions."""

import re
from collections.abc import Iterable, Mapping

# What a field of a pattern stands for; a pattern holds each field once at most.
FIELDS = {
    'i': r'\d+', 'j': r'\d+', 'n': r'\d+',
    'p': 'weight|bias',
    's': 'weight|bias|running_mean|running_var|num_batches_tracked',
    # No other library has our operators.
    'rest': r'(?!.*\bcontext\.).+',
}


class Pattern:
    """A key with fields, such as ``layer{i}.{j}.conv{n}.weight``.

    Args:
        text: The pattern.
        stands_for: A regular expression for each field.
    """

    def __init__(self, text: str, stands_for: Mapping[str, str] = FIELDS):
        self.text = text
        # Every second part is the name of a field.
        parts = re.split(r'\{(\w+)\}', text)
        self._regex = re.compile(''.join(
            f'(?P<{part}>{stands_for[part]})' if number % 2 else re.escape(part) for number, part in enumerate(parts)))

    def read(self, key: str) -> dict[str, str] | None:
        """Return the fields of a key of this form, else None."""
        match = self._regex.fullmatch(key)
        return match.groupdict() if match else None

    def write(self, fields: dict[str, str]) -> str:
        """Return the key with these fields."""
        return self.text.format(**fields)


class Rules:
    """The spelling of one kind of network in one library.

    Args:
        pairs: ``(their pattern, our pattern)``, which have the same fields. The first one that fits is taken.
    """

    def __init__(self, *pairs: tuple[str, str]):
        self._pairs = [(Pattern(theirs), Pattern(ours)) for theirs, ours in pairs]

    def to_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """Return ``{their key: our key}`` for the keys that this kind of network has."""
        return _renamed(keys, self._pairs)

    def from_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """Return ``{our key: their key}`` for the keys that this kind of network has."""
        return _renamed(keys, [(ours, theirs) for theirs, ours in self._pairs])


def _renamed(keys: Iterable[str], pairs: list[tuple[Pattern, Pattern]]) -> dict[str, str]:
    names = {}
    for key in keys:
        for old, new in pairs:
            fields = old.read(key)
            if fields is not None:
                names[key] = new.write(fields)
                break
    return names


def same(*patterns: str) -> tuple[tuple[str, str], ...]:
    """Return rules for keys that are ours too."""
    return tuple((pattern, pattern) for pattern in patterns)


def prefixed(prefix: str, *pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the rules with a prefix on their side."""
    return tuple((prefix + theirs, ours) for theirs, ours in pairs)
