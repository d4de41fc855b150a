"""Gate saturation: shares of gates near 0 and near 1 (SE paper, section 7.2)."""

from torch import Tensor

from se_backbones.engine.sites import Site

LOW, HIGH = 0.05, 0.95


class Saturation:
    """Counts the gates below ``low`` and above ``high``, of every image, channel and cell, per operator.

    Args:
        low, high: A gate is closed below the one and open above the other.

    Raises:
        ValueError: ``low`` is not below ``high``.
    """

    def __init__(self, low: float = LOW, high: float = HIGH):
        if not low < high:
            raise ValueError(f'low must be below high, got low={low!r} and high={high!r}.')
        self.low, self.high = low, high
        self._counts: dict[str, list[int]] = {}

    def see(self, site: Site, gate: Tensor) -> None:
        """Count one gate ``(N, C, H', W')``; NaN counts as neither."""
        gate = gate.detach()
        found = (int((gate < self.low).sum()), int((gate > self.high).sum()), gate.numel())
        self._counts[site.name] = [a + b for a, b in zip(self._counts.get(site.name, (0, 0, 0)), found, strict=True)]

    @property
    def shares(self) -> dict[str, tuple[float, float]]:
        """``{operator: (share below low, share above high)}``, of operators that saw at least one value."""
        return {name: (low / total, high / total) for name, (low, high, total) in self._counts.items() if total}

    @property
    def overall(self) -> tuple[float, float]:
        """The two shares over all operators, each counted by its number of gates."""
        low, high, total = (sum(column) for column in zip(*self._counts.values(), strict=True))
        return low / total, high / total

