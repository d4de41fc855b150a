"""--help needs no torch: importing it and the hosts takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

import se_backbones
from se_backbones.cli import COMMANDS

TOOLS = Path(se_backbones.config_path()).parent / 'tools'
# One interpreter for all: after the first that imports torch, none can be told.
HELP = """
import json, runpy, sys
from se_backbones.cli import main
found = []
for name in sys.argv[1:]:
    sys.argv[1:] = ['--help']
    try:
        runpy.run_path(name, run_name='__main__') if name.endswith('.py') else main([*name.split(), '--help'])
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    found.append([name, code, 'torch' in sys.modules])
print(json.dumps(found))
"""


def test_help_is_had_without_torch():
    names = ['analyse', *COMMANDS, *map(str, sorted(TOOLS.rglob('*.py')))]
    done = subprocess.run([sys.executable, '-c', HELP, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[name, 0, False] for name in names]
    assert done.stdout.count('usage: ') == len(names)
