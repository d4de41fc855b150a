"""The papers' printed parameters and FLOPs beside ours, with a verdict for each cell."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from se_backbones.analysis.complexity.count import PLAIN, Complexity, build, complexity
from se_backbones.analysis.paper_tables import ROWS, Row

UNITS = {'GFLOPs': 1e9, 'MFLOPs': 1e6, 'Params (M)': 1e6}
# Ways of counting; a paper's cell is compared with all that apply to it.
CONVENTIONS = {
    'A': 'trainable parameters',
    'B': 'A and the running statistics of batch norms, which Caffe stores with the weights',
    'MACs': 'multiply-adds of convolutions and linear layers',
    '+scale': 'MACs and the product of gate and features, one for each element',
    '+operators': 'MACs and all element-wise work of the operators: pool, norm, activations, scale',
    '+element-wise': 'MACs and all element-wise work of the network: also its norms, ReLUs, pools and sums',
}


@dataclass(frozen=True)
class Verdict:
    """One printed cell beside ours.

    Attributes:
        table, row, quantity, printed: The cell.
        ours: ``{convention: value}`` in the unit of the cell.
        reason: Why no convention gives the printed digits, where that is known.
    """

    table: str
    row: str
    quantity: str
    printed: str
    ours: dict[str, float]
    reason: str = ''

    @property
    def digits(self) -> int:
        """Digits after the point in the printed cell."""
        return len(self.printed.partition('.')[2])

    @property
    def agreeing(self) -> list[str]:
        """The conventions under which our value rounds to the printed digits."""
        return [name for name, value in self.ours.items() if f'{value:.{self.digits}f}' == self.printed]

    def agrees_under(self, convention: str) -> bool:
        """Return whether ``convention`` gives the cell; a network without operators counts with its MACs."""
        return (convention if convention in self.ours else 'MACs') in self.agreeing

    @property
    def kind(self) -> str:
        """``'agrees'``, ``'differs'``, or ``'not reproducible'`` where a reason is known."""
        return 'agrees' if self.agreeing else 'not reproducible' if self.reason else 'differs'

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.agreeing:
            return f'agrees to the printed digit ({", ".join(self.agreeing)})'
        name, value = min(self.ours.items(), key=lambda item: abs(item[1] - float(self.printed)))
        difference = f'{value - float(self.printed):+.{self.digits + 1}f}'
        if self.reason:
            return f'not reproducible (nearest: {name}, {difference}), because {self.reason}'
        return f'differs by {difference} ({name})'

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return dict(table=self.table, row=self.row, quantity=self.quantity, printed=self.printed, ours=self.ours,
                    kind=self.kind, verdict=self.text)


class WithClassifier(nn.Module):
    """A backbone, and a linear layer on the mean of its last map, unless the backbone has a classifier of its own."""

    def __init__(self, backbone: nn.Module, num_classes: int = 1000):
        super().__init__()
        self.backbone = backbone
        last = backbone.feature_info[-1]
        self.classifier = nn.Linear(last.channels, num_classes) if last.stride else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone(x)[-1]
        return x if self.classifier is None else self.classifier(x.mean((2, 3)))


def compare_with_papers(rows: Iterable[Row] = ROWS) -> Iterator[Verdict]:
    """Yield a verdict for each printed cell of ``rows``, in their order."""
    counted: dict[str, Complexity] = {}  # tables repeat networks
    for row in rows:
        key = repr((row.network, row.input_size))
        if key not in counted:
            with torch.device('meta'):
                counted[key] = complexity(WithClassifier(build(row.network)), row.input_size)
        for quantity, printed in row.printed.items():
            values = _parameters(counted[key]) if quantity == 'Params (M)' else _operations(counted[key])
            yield Verdict(row.table, row.name, quantity, printed,
                          {name: value / UNITS[quantity] for name, value in values.items()},
                          row.reasons.get(quantity, ''))


def _parameters(result: Complexity) -> dict[str, int]:
    return {'A': result.total.parameters, 'B': result.total.parameters_and_statistics}


def _operations(result: Complexity) -> dict[str, int]:
    """Return the operations under each convention; those of the operators only where the network has some."""
    total = result.total
    operators = [cost.elementwise for name, cost in result.by_operator.items() if name != PLAIN]
    values = {'MACs': total.multiply_adds}
    if operators:
        values['+scale'] = total.multiply_adds + sum(work['scale'] for work in operators)
        values['+operators'] = total.multiply_adds + sum(work.total() for work in operators)
    values['+element-wise'] = total.multiply_adds + total.elementwise.total()
    return values
