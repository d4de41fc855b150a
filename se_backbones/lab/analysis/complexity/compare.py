"""The papers' printed parameters and FLOPs beside ours, with a verdict for each cell."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from se_backbones.lab.analysis.complexity.count import Cost, build, complexity
from se_backbones.lab.analysis.paper_tables import CONVENTIONS, ROWS, PaperRow
from se_backbones.lab.convert.networks import Scores

UNITS = {'GFLOPs': 1e9, 'MFLOPs': 1e6, 'Params (M)': 1e6}


@dataclass(frozen=True)
class Verdict:
    """One printed cell beside ours.

    Attributes:
        table, row, quantity, printed: The cell.
        ours: Under the paper's convention, in the unit of the cell.
        plain: For information: multiply-adds of convolutions and linear layers alone, or trainable parameters alone
            (convention A).
        reason: Why the two differ, where that is known.
        reproducible: False where no network of ours is meant to give the cell; ``reason`` says why.
    """

    table: str
    row: str
    quantity: str
    printed: str
    ours: float
    plain: float
    reason: str = ''
    reproducible: bool = True

    @property
    def paper(self) -> str:
        """``'SE'`` or ``'GE'``."""
        return self.table.split()[0]

    @property
    def agrees(self) -> bool:
        """Whether ours rounds to the printed digits."""
        return f'{self.ours:.{self._digits}f}' == self.printed

    @property
    def kind(self) -> str:
        """``'agrees'``, ``'differs'`` or ``'not reproducible'``."""
        return 'agrees' if self.agrees else 'differs' if self.reproducible else 'not reproducible'

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.agrees:
            return 'agrees to the printed digit'
        difference = f'differs by {self.ours - float(self.printed):+.{self._digits + 1}f}'
        if self.reproducible:
            return f'{difference}: {self.reason}' if self.reason else difference
        return f'not reproducible ({difference}), because {self.reason}'

    @property
    def _digits(self) -> int:
        return len(self.printed.partition('.')[2])

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return dict(asdict(self), kind=self.kind, verdict=self.text)


def with_classifier(backbone: nn.Module) -> nn.Module:
    """Return a backbone with a classifier of 1,000 classes on the mean of its last map, unless it has its own."""
    last = backbone.feature_info[-1]
    return Scores(backbone, 1000 if last.stride else 0, last.channels)


def compare_with_papers(rows: Iterable[PaperRow] = ROWS) -> Iterator[Verdict]:
    """Yield a verdict for each printed cell of ``rows``, in their order."""
    counted: dict[str, Cost] = {}  # tables repeat networks
    for row in rows:
        key = repr((row.network, row.input_size))
        if key not in counted:
            with torch.device('meta'):
                network = with_classifier(build(row.network))
            counted[key] = complexity(network, row.input_size).total
        cost, convention = counted[key], CONVENTIONS[row.table.split()[0]]
        for quantity, printed in row.printed.items():
            if quantity == 'Params (M)':
                ours, plain = convention.parameters(cost), cost.parameters
            else:
                ours, plain = convention.operations(cost), cost.multiply_adds
            unit, impossible = UNITS[quantity], row.not_reproducible.get(quantity)
            yield Verdict(row.table, row.name, quantity, printed, ours / unit, plain / unit,
                          impossible or row.differs.get(quantity, ''), impossible is None)
