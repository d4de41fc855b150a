"""The costs in docs/choosing.md are what the counter counts."""

import json
import re
from pathlib import Path

import pytest

from se_backbones.lab.analysis.complexity import complexity

DOCS = Path(__file__).resolve().parents[2] / 'docs'
PAGE = (DOCS / 'choosing.md').read_text()
ROWS = re.findall(r'^\| `(type=[^`]*)` \| \+(\S+) M \| \+(\S+) % \|', PAGE, re.MULTILINE)


def cost(op=None):
    return complexity(dict(type='se_backbones.ResNet', depth=50, context=op and dict(op=op))).total


@pytest.fixture(scope='module')
def plain():
    return cost()


def test_the_plain_network_is_as_stated(plain):
    assert f'Plain: {plain.parameters / 1e6:.1f} M parameters' in PAGE
    assert f'{plain.multiply_adds / 1e9:.2f} G multiply-adds' in PAGE


def test_the_table_was_read():
    assert len(ROWS) == 9


@pytest.mark.parametrize(('op', 'parameters', 'multiply_adds'), ROWS)
def test_costs_are_as_stated(plain, op, parameters, multiply_adds):
    counted = cost(eval(f'dict({op})'))
    assert f'{(counted.parameters - plain.parameters) / 1e6:.2f}' == parameters
    assert f'{100 * (counted.multiply_adds / plain.multiply_adds - 1):.2f}' == multiply_adds


def test_time_and_memory_are_those_of_the_benchmark():
    runs = [run['networks'] for run in json.loads((DOCS / 'benchmarks/cpu_training.json').read_text())['runs']]
    small = [run[f'ours {name}'] for run in runs for name in ('SE', 'GE theta-minus', 'GE theta', 'GE theta-plus')]
    assert f'up to {100 * max(one["ratio"] for one in small) - 100:.0f} % more time' in PAGE
    assert max(one['saved_ratio'] for one in small) < 1.01 and 'keeps up to 1 % more memory' in PAGE
    local = [run['ours GE theta E8'][key] for run in runs for key in ('ratio', 'saved_ratio')]
    assert all(abs(each - 1.2) < 0.02 for each in local) and 'takes a fifth more of both' in PAGE
