"""``python -m se_backbones`` names everything that a user can name."""

import pytest

import se_backbones.__main__ as listing
from se_backbones.registry import HOOKS, MODELS


@pytest.fixture
def printed(capsys):
    listing.main()
    return capsys.readouterr().out


def test_it_names_every_registered_type_and_every_tool(printed):
    words = set(printed.split())
    assert MODELS.get('ResNet') and HOOKS.get('CheckpointHook')
    assert {*MODELS.module_dict, *HOOKS.module_dict} <= words
    assert set(listing.tools()) <= words and 'train.py' in words


def test_every_entry_says_what_it_is():
    types = listing.registered('se_backbones.models.backbones', 'se_backbones.models.operators')
    for entries in (types, listing.tools()):
        assert all(5 < len(text) < 150 and '`' not in text for text in entries.values())


@pytest.mark.parametrize(('docstring', 'expected'), [
    ('ResNeXt; the default is 32x4d.', 'ResNeXt'), ('The SE block: ``y`` (SE paper, eq. 2).', 'The SE block: y'),
    ('One\nsentence. Another.', 'One sentence'), (None, '')])
def test_a_summary_is_the_beginning_of_a_docstring(docstring, expected):
    assert listing.summary(docstring) == expected
