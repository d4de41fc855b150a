"""The one place that knows the host libraries: two families of packages that share their import names.

``onedl`` are the maintained forks, ``openmmlab`` the originals. Both provide ``mmengine``, ``mmcv``, ``mmdet``,
``mmpretrain`` and ``mmseg``, so that only one of them may be installed. Nothing here imports a host library.
"""

import importlib.metadata
import importlib.util
import re
from typing import NamedTuple

MODULES = ('mmengine', 'mmcv', 'mmdet', 'mmpretrain', 'mmseg')
# Those that nothing needs but the networks that are named for them, and the extra that brings them.
OPTIONAL = {'mmseg': 'seg'}
# Distribution names, as pip writes them, that bring each module. A name that ends in '-*' stands for every such name:
# onedl publishes binaries of mmcv as onedl-mmcv-cu128-torch2-8 and the like.
DISTRIBUTIONS = {
    'onedl': {
        'mmengine': ('onedl-mmengine',),
        'mmcv': ('onedl-mmcv', 'onedl-mmcv-*'),
        'mmdet': ('onedl-mmdetection',),
        'mmpretrain': ('onedl-mmpretrain',),
        'mmseg': ('onedl-mmsegmentation',),
    },
    'openmmlab': {
        'mmengine': ('mmengine', 'mmengine-lite'),
        'mmcv': ('mmcv', 'mmcv-lite', 'mmcv-full'),
        'mmdet': ('mmdet',),
        'mmpretrain': ('mmpretrain',),
        'mmseg': ('mmsegmentation',),
    },
}
INSTALL_HINT = ("Install one OpenMMLab family: pip install 'se_backbones[onedl]' (maintained forks) or "
                "'se_backbones[openmmlab]' (originals).")


class Host(NamedTuple):
    """One installed distribution of a host library."""

    family: str
    module: str
    distribution: str
    version: str


def _plain(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def classify(distribution: str) -> tuple[str, str] | None:
    """Return ``(family, module)`` of a distribution name, or None if it is not a host library."""
    name = _plain(distribution)
    for family, modules in DISTRIBUTIONS.items():
        for module, patterns in modules.items():
            if any(name == pattern or (pattern.endswith('*') and name.startswith(pattern[:-1]))
                   for pattern in patterns):
                return family, module
    return None


def installed() -> list[Host]:
    """Return the installed host libraries, in the order of ``MODULES``."""
    found = set()
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata['Name']
        known = classify(name) if name else None
        if known:
            found.add(Host(*known, _plain(name), distribution.version))
    return sorted(found, key=lambda host: (MODULES.index(host.module), host.distribution))


def family() -> str:
    """Return which family is installed: ``'onedl'``, ``'openmmlab'``, ``'both'`` or ``'none'``."""
    families = {host.family for host in installed()}
    return 'both' if len(families) > 1 else next(iter(families), 'none')


def _is_package(module: str) -> bool:
    """Whether a package is there; an empty folder of its name, which an uninstallation may leave, is none."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None


def require(*modules: str) -> None:
    """Check that host libraries can be imported, without importing them.

    Raises:
        ImportError: One is not installed; the text says how to install it.
    """
    missing = [module for module in modules if not _is_package(module)]
    if missing:
        verb = 'is' if len(missing) == 1 else 'are'
        extras = ''.join(f' {module} comes with the extra [{OPTIONAL[module]}].' for module in missing
                         if module in OPTIONAL)
        raise ImportError(f'se_backbones needs {" and ".join(missing)}, which {verb} not installed. {INSTALL_HINT}'
                          f'{extras}')
