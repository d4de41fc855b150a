"""Keep what mmcv's compiled operators return, in ``compiled.npz``: run it in an environment in which they are compiled.

    make setup COMPILE_MMCV=1 VENV=.venv-compiled
    .venv-compiled/bin/python tests/mmcv_ext/record.py
"""

import sys
from pathlib import Path

import mmcv
import mmcv.ops  # noqa: F401  loads mmcv._ext
import numpy as np
import torch

from se_backbones.mmcv_ext.finder import NAME, is_compiled

FILE = Path(__file__).with_name('compiled.npz')

if __name__ == '__main__':
    sys.path.insert(0, str(FILE.parent))
    from cases import results
    if not is_compiled(sys.modules[NAME]):
        sys.exit(f'error: the operators of this environment were not compiled ({sys.modules[NAME].__file__})')
    arrays = results()
    np.savez_compressed(FILE, **arrays, versions=f'mmcv {mmcv.__version__}, torch {torch.__version__}')
    print(f'{len(arrays)} results in {FILE}, {FILE.stat().st_size / 1024:.0f} KiB')
