"""--help needs no torch: importing it and the hosts takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

import se_backbones

TOOLS = Path(se_backbones.config_path()).parent / 'tools'
# One interpreter for all: after the first that imports torch, none can be told.
HELP = """
import json, runpy, sys
found = []
for name in sys.argv[1:]:
    sys.argv[1:] = ['--help']
    try:
        (runpy.run_path if name.endswith('.py') else runpy.run_module)(name, run_name='__main__')
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    found.append([name, code, 'torch' in sys.modules])
print(json.dumps(found))
"""


def test_help_is_had_without_torch():
    names = [*map(str, sorted(TOOLS.rglob('*.py'))), 'se_backbones', 'se_backbones.weights', 'se_backbones.mmcv_ext']
    done = subprocess.run([sys.executable, '-c', HELP, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[name, 0, False] for name in names]
    assert done.stdout.count('usage: ') == len(names) - 1  # python -m se_backbones takes no options
