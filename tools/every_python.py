"""Run the tests on each supported Python of this machine, with the default stack. ``make test-all`` runs this.

The Python of ``.venv`` is tested there, each other one in an environment of its own, ``.venv-py3.12``, which is set up
first. What is given on the command line goes to pytest.
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import setup_env

# Where pyenv and uv put interpreters that are not on the path.
KEPT = ('.pyenv/versions/{}.*/bin/python3', '.local/share/uv/python/cpython-{}.*/bin/python3')


def suits(python: str, version: str) -> bool:
    """Whether a command is a Python of this version that can carry the environment."""
    try:
        asked = subprocess.run([python, '-V'], capture_output=True, text=True)
        return asked.stdout.startswith(f'Python {version}.') and not subprocess.run(
            [python, setup_env.__file__, '--suits'], capture_output=True).returncode
    except OSError:
        return False


def find_python(version: str, home: Path) -> str | None:
    """Return a Python of this version: of an environment that is there, from the path, or of pyenv or uv."""
    candidates = [str(folder(version) / 'bin' / 'python'), shutil.which(f'python{version}'), shutil.which('python3')]
    for pattern in KEPT:
        candidates += map(str, sorted(home.glob(pattern.format(version))))
    return next((python for python in candidates if python and suits(python, version)), None)


def folder(version: str) -> Path:
    """Return where the environment of this Python lies, or will."""
    default = setup_env.ROOT / setup_env.ONEDL.venv
    held = setup_env.venv_version(default)
    return default if held and '{}.{}'.format(*held) == version else default.with_name(f'{default.name}-py{version}')


def test(version: str, arguments: list[str], home: Path) -> tuple[bool | None, str]:
    """Set up an environment and run the tests there; return whether they passed, None if they did not run, and a text.
    """
    python = find_python(version, home)
    if python is None:
        return None, f'not run: no Python {version} with venv and headers on this machine'
    venv = folder(version)
    if subprocess.run([python, setup_env.__file__, '--venv', venv.name]).returncode:
        return None, 'not run: its environment could not be set up'
    begin, last = time.monotonic(), ''
    with subprocess.Popen([venv / 'bin' / 'python', '-m', 'pytest', *arguments], cwd=setup_env.ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tests:
        for line in tests.stdout:
            print(line, end='', flush=True)
            last = line
    # pytest's last line, without its frame: "3012 passed, 4 skipped in 600.12s".
    summary = re.sub(r'^=+ | =+$', '', last.strip())
    return tests.returncode == 0, f'{summary} ({setup_env.clock(time.monotonic() - begin)} in {venv.name})'


def main(arguments: list[str]) -> int:
    versions = ['{}.{}'.format(*version) for version in setup_env.SUPPORTED_PYTHONS]
    results = {version: test(version, arguments, Path.home()) for version in versions}
    print()
    for version, (_, text) in results.items():
        print(f'Python {version}: {text}')
    passed = [outcome for outcome, _ in results.values()]
    return 0 if True in passed and False not in passed else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
