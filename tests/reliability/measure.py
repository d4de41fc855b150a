"""Try for minutes what the suite tries briefly, and write what was lost: docs/reliability.json and reliability.md.

    make reliability

It runs the slow tests that record a property named ``reliability``: a dict of ``what`` was tried, how often it was
``tried``, how many were ``lost``, and a ``note``. With paths or node ids as arguments it runs those alone, and the
other rows stay.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path

import mmengine
import numpy
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / 'docs'
HEAD = """\
# Reliability: what was tried to break it

Made by `make reliability`; each row is a test, and its command repeats it. "Lost" counts what should not have happened:
a checkpoint or a run that was lost, a wrong number, an error without a name. The rows of mmengine's own hook show that
the trials can fail. [reliability.json](reliability.json) has the same numbers.

With Python {python}, torch {torch}, mmengine {mmengine}, numpy {numpy}, on {cores} cores.

| tried | times | lost | what happened | minutes | on | `python -m pytest -m slow` |
| --- | ---: | ---: | --- | ---: | --- | --- |
"""


class Rows:
    """A pytest plugin that keeps what the tests record."""

    def __init__(self):
        self.rows: dict[str, dict] = {}

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties:
            if name == 'reliability' and report.when == 'call':
                self.rows[report.nodeid] = dict(value, passed=report.passed, seconds=round(report.duration),
                                                 when=time.strftime('%Y-%m-%d'))


def write(rows: dict[str, dict]) -> None:
    """Write both files; rows of earlier runs that were not tried again stay."""
    source = DOCS / 'reliability.json'
    known = json.loads(source.read_text())['rows'] if source.exists() else {}
    content = dict(python=platform.python_version(), torch=torch.__version__, mmengine=mmengine.__version__,
                   numpy=numpy.__version__, cores=os.cpu_count(), rows=dict(sorted({**known, **rows}.items())))
    source.write_text(json.dumps(content, indent=1) + '\n')
    (DOCS / 'reliability.md').write_text(page(content))


def page(content: dict) -> str:
    """Return the text of reliability.md from what reliability.json holds."""
    lines = [f'| {row["what"]} | {row["tried"]:,} | {row["lost"]:,} | {row["note"]} | {row["seconds"] / 60:.1f} | '
             f"{row['when']} | `'{node}'` |" for node, row in content['rows'].items()]
    return HEAD.format(**content) + '\n'.join(lines) + '\n'


def main(paths: list[str]) -> int:
    """Run the tests and write the files; return pytest's exit code."""
    plugin = Rows()
    # Not the whole slow suite: only files that record something.
    paths = paths or [str(path.relative_to(ROOT)) for path in sorted((ROOT / 'tests').rglob('test_*.py'))
                      if "record_property('reliability'" in path.read_text()]
    code = pytest.main(['-m', 'slow and not gpu', '-q', '--rootdir', str(ROOT), *paths], plugins=[plugin])
    write(plugin.rows)
    return int(code)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
