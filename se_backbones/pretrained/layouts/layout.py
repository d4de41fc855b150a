"""A layout: how one library spells the keys of the networks that we have too."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from se_backbones.pretrained.errors import LayoutError
from se_backbones.utils.validation import first_few

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, 'Tensor']


class Spelling(Protocol):
    """The spelling of one kind of network: both ways, the new key of each key that such a network has."""

    def to_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """Return ``{their key: our key}``."""

    def from_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """Return ``{our key: their key}``."""


@dataclass(frozen=True)
class Renamed:
    """Tensors under the keys of the other side.

    Attributes:
        state: The tensors whose keys the layout knows, in the order in which they came.
        renamed: How many of them have another key than before.
        unmatched: Keys that the layout does not know; their tensors are not in ``state``.
    """

    state: 'dict[str, Tensor]'
    renamed: int
    unmatched: tuple[str, ...]


class Layout:
    """How one library spells the keys of a classifier. Ours are the backbone's without prefix, and ``head.fc.*``.

    Which kind of network it is, with a plain or a deep stem say, is told by the keys.

    Args:
        name: As in ``se-backbones convert --from``.
        text: Whose keys these are, in a few words.
        kinds: ``{kind of network: its spelling}``.
        absorb: Returns a state in which some tensors have been taken up by others, before they are renamed.
        absorbed: Matches the keys of those tensors.
    """

    def __init__(self, name: str, text: str, kinds: Mapping[str, Spelling],
                 absorb: Callable[[State], 'dict[str, Tensor]'] = dict, absorbed: re.Pattern | None = None):
        self.name = name
        self.text = text
        self.kinds = dict(kinds)
        self._absorb = absorb
        self._absorbed = absorbed
        self.among: Sequence[Layout] = (self,)  # those that its keys are told from; the table of layouts sets it

    def __repr__(self) -> str:
        return f'Layout({self.name!r})'

    def to_ours(self, state: State) -> Renamed:
        """Return the tensors by our keys.

        Raises:
            LayoutError: They are those of another layout, or of none, or two would get one key. The text names keys.
        """
        self._check_looks_like(state)
        state = self._absorb(state)
        return _rename(state, self._names(state))

    def from_ours(self, state: State) -> Renamed:
        """Return tensors by our keys under the keys of this layout."""
        return _rename(state, max((kind.from_ours(state) for kind in self.kinds.values()), key=len))

    def known(self, keys: Iterable[str]) -> int:
        """Return for how many of the keys this layout has a place."""
        return len(self._names(keys)) + sum(bool(self._absorbed and self._absorbed.fullmatch(key)) for key in keys)

    def _check_looks_like(self, keys: Collection[str]) -> None:
        """Raise LayoutError if the keys are not those of this layout: another one knows more, or none knows half."""
        if not keys:
            raise LayoutError('There are no tensors.')
        likely = most_likely(self.among, keys)
        if likely is not None and self.known(keys) >= likely.known(keys):
            return
        looks = (f'They look like {likely.name!r}, {likely.text}.' if likely
                 else 'They match no known layout.')
        raise LayoutError(f'These are not the keys of the layout {self.name!r} ({self.text}), but {len(keys)} others: '
                          f'{first_few(keys)}. {looks}')

    def _names(self, keys: Iterable[str]) -> dict[str, str]:
        return max((kind.to_ours(keys) for kind in self.kinds.values()), key=len)


def most_likely(layouts: Sequence[Layout], keys: Collection[str]) -> Layout | None:
    """Return the layout that knows most of the keys, the first of several; None: each knows less than half."""
    best = max(layouts, key=lambda layout: layout.known(keys))
    return best if keys and 2 * best.known(keys) >= len(keys) else None


def _rename(state: State, names: dict[str, str]) -> Renamed:
    renamed = {names[key]: value for key, value in state.items() if key in names}
    if len(renamed) < len(names):
        counts = Counter(names.values())
        twice = next(key for key in names if counts[names[key]] > 1)
        raise LayoutError(f'Two tensors would become {names[twice]}, such as {twice}.')
    return Renamed(renamed, sum(old != new for old, new in names.items()),
                   tuple(key for key in state if key not in names))
