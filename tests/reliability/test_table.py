"""docs/reliability.md says what its rows' tests recorded, and names tests that are there."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_made_of_the_recorded_rows(measure):
    content = json.loads((ROOT / 'docs/reliability.json').read_text())
    assert (ROOT / 'docs/reliability.md').read_text() == measure.page(content)


def test_each_row_names_a_slow_test_that_records_it():
    for node, row in json.loads((ROOT / 'docs/reliability.json').read_text())['rows'].items():
        path, _, name = node.partition('::')
        source = (ROOT / path).read_text()
        test = re.search(rf'((?:^@.*\n|^ .*\n|^[\])}}].*\n)+)^def {name.partition("[")[0]}\([^)]*record_property',
                         source, re.MULTILINE)
        assert test and 'pytest.mark.slow' in test[1], node
        assert row['passed'] and set(row) == {'what', 'tried', 'lost', 'note', 'passed', 'seconds', 'when'}, node


def test_nothing_of_ours_was_lost():
    rows = json.loads((ROOT / 'docs/reliability.json').read_text())['rows']
    assert len(rows) > 10
    for node, row in rows.items():
        assert row['tried'] > 0 and (row['lost'] == 0 or node.endswith('test_fifty_kills[CheckpointHook]')), node


def test_rows_of_tests_that_did_not_run_again_stay(measure, monkeypatch, tmp_path):
    monkeypatch.setattr(measure, 'DOCS', tmp_path)
    row = dict(what='x', tried=1000, lost=0, note='nothing', passed=True, seconds=90, when='2026-01-02')
    measure.write({'tests/test_b.py::test_one': row})
    measure.write({'tests/test_a.py::test_two': dict(row, tried=2)})
    lines = (tmp_path / 'reliability.md').read_text().splitlines()[-2:]
    assert lines == ["| x | 2 | 0 | nothing | 1.5 | 2026-01-02 | `'tests/test_a.py::test_two'` |",
                     "| x | 1,000 | 0 | nothing | 1.5 | 2026-01-02 | `'tests/test_b.py::test_one'` |"]
