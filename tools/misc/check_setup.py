"""Say what would make the set-up fail, before minutes are spent on it. ``make setup`` runs this first.

It needs the standard library alone, of whatever Python there is. Exit code 1 if there is a problem, one line for each.
"""

import argparse
import importlib.util
import re
import shutil
import sys
from pathlib import Path

PYTHONS = {'onedl': ((3, 11), (3, 12), (3, 13)), 'openmmlab': ((3, 11),)}
# Distributions that share their import names with those of the other family: whichever came last has overwritten files.
NAMES = {'onedl': ('onedl_mmengine', 'onedl_mmcv', 'onedl_mmdetection', 'onedl_mmpretrain', 'onedl_mmsegmentation'),
         'openmmlab': ('mmengine', 'mmcv', 'mmcv_lite', 'mmdet', 'mmpretrain', 'mmsegmentation')}
# Most of it torch and its CUDA libraries.
GB_NEEDED = 8


def check_python(version, family):
    if version not in PYTHONS[family]:
        names = ['{}.{}'.format(*known) for known in PYTHONS[family]]
        return (f'Python {version[0]}.{version[1]} is not supported: use {", ".join(names)}, for example '
                f'`make setup PYTHON=python{names[-1]}`')


def check_venv_module(has_ensurepip, version):
    if not has_ensurepip:
        return ('this Python cannot make virtual environments (no ensurepip). '
                f'Debian, Ubuntu: apt-get install python{version[0]}.{version[1]}-venv')


def check_same_python(running, venv):
    held = re.search(r'^version\w* = (\d+)\.(\d+)', _read(venv / 'pyvenv.cfg'), re.MULTILINE)
    if held and (int(held[1]), int(held[2])) != running:
        return (f'{venv} holds Python {held[1]}.{held[2]}, asked for is {running[0]}.{running[1]}: leave PYTHON unset '
                'to keep it, or start over with `make clean-env`')


def check_family(venv, family):
    installed = {path.name.split('-')[0] for path in venv.glob('lib/python3.*/site-packages/*.dist-info')}
    others = sorted(name for other, names in NAMES.items() if other != family for name in names if name in installed)
    if others:
        return (f'{venv} holds {", ".join(others)}, which share their import names with the packages of {family}: '
                'start over with `make clean-env`')


def check_disk(free_bytes, has_torch, venv):
    needed = 1 if has_torch else GB_NEEDED
    if free_bytes < needed * 1024**3:
        return f'{free_bytes / 1024**3:.1f} GB are free where {venv} goes, {needed} GB are needed: free some space'


def _read(path):
    return path.read_text() if path.exists() else ''


def problems(venv, family):
    version = tuple(sys.version_info[:2])
    has_torch = any(venv.glob('lib/python3.*/site-packages/torch'))
    found = (check_python(version, family), check_same_python(version, venv), check_family(venv, family),
             check_venv_module(importlib.util.find_spec('ensurepip') is not None, version),
             check_disk(shutil.disk_usage('.').free, has_torch, venv))
    return [problem for problem in found if problem]


def main(argv=None):
    parser = argparse.ArgumentParser(description='Say what would make the set-up fail.')
    parser.add_argument('--venv', type=Path, default=Path('.venv'), help="the environment's folder")
    parser.add_argument('--family', choices=PYTHONS, default='onedl', help='which OpenMMLab packages (default: onedl)')
    args = parser.parse_args(argv)
    found = problems(args.venv, args.family)
    for problem in found:
        print(f'set-up: {problem}', file=sys.stderr)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
