"""Our own keys, of all our backbones, operators included."""

import re
from collections.abc import Iterable

_OURS = re.compile(
    r'(conv1|bn\d?|gn\d?|stem|layers?\d*|features|classifier|conv\d_\w+|inception_\w+|conv2d_\w+|mixed_\w+|repeat\w*|'
    r'block8|head)\..+')
# Stems, operators and VGGs that others spell within the same layers.
_FOREIGN = re.compile(
    r'layer0\..+|conv1\.\d.*|stem\.\d\.(conv|bn)\..+|features\.\d+\.(?!conv|bn|context)\w+|.+\.(se|se_module|se_layer)\..+')


class Ours:
    """Any key that one of our backbones or its classifier may have.

    Args:
        prefix: Of the backbone; the classifier's ``head.`` has none.
    """

    def __init__(self, prefix: str = ''):
        self._prefix = prefix

    def to_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """See :class:`Rules`."""
        names = {}
        for key in keys:
            name = key if key.startswith('head.') else key.removeprefix(self._prefix)
            prefixed = key.startswith(('head.', self._prefix))
            if prefixed and _OURS.fullmatch(name) and not _FOREIGN.fullmatch(name):
                names[key] = name
        return names

    def from_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """See :class:`Rules`."""
        return {key: key if key.startswith('head.') else self._prefix + key for key in keys}
