"""The costs in docs/choosing.md are what the counter counts."""

import re
from pathlib import Path

import pytest

from se_backbones.lab.analysis.complexity import complexity

PAGE = (Path(__file__).resolve().parents[2] / 'docs' / 'choosing.md').read_text()
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
