"""Where the shipped configs lie, in a checkout and in an installed wheel; and those of other OpenMMLab packages."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries configs/ inside the package under .mim/ (mim's convention); a checkout has it beside the package.
_CONFIG_FOLDERS = (_PACKAGE / '.mim' / 'configs', _PACKAGE.parent / 'configs')


def model_index_path() -> str | None:
    """Return the path of ``model-index.yml`` in OpenMMLab's format, or None if this installation has none."""
    files = [folder.parent / 'model-index.yml' for folder in _CONFIG_FOLDERS]
    return next((str(file) for file in files if file.is_file()), None)


def config_path(name: str = '') -> str:
    """Return the path of a shipped config file, for ``_base_`` lines and for scripts.

    A config outside this project inherits one of ours, under any launcher, with
    ``_base_ = __import__('se_backbones').config_path('faster_rcnn_ge_r50.py')``. The same way takes a config of mmseg,
    ``config_path('mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py')``, where mmengine's own ``'mmseg::...'``
    fails: it asks for a distribution called mmsegmentation, which the maintained fork is not.

    Args:
        name: Path relative to ``configs/``, with ``.py``. Empty: the folder itself. With ``'<package>::'`` before it:
            relative to the configs that another OpenMMLab package ships.

    Raises:
        FileNotFoundError: No shipped config has this name; the nearest names are listed.
        ImportError: The other package is not installed.
    """
    package, separator, name = name.rpartition('::')
    places = _folders_of(package) if separator else _CONFIG_FOLDERS
    folders = [folder for folder in places if folder.is_dir()]
    for folder in folders:
        if (folder / name).exists():
            return str(folder / name)
    from difflib import get_close_matches
    shipped = sorted({str(path.relative_to(folder)) for folder in folders for path in folder.rglob('*.py')})
    near = get_close_matches(name, shipped, n=3, cutoff=0.4)
    hint = f'Did you mean {", ".join(near)}?' if near else f'{len(shipped)} configs are shipped.'
    raise FileNotFoundError(f'{package or "se_backbones"} ships no config {name!r}. {hint}')


def _folders_of(package: str) -> list[Path]:
    """Return where an OpenMMLab package has its configs: installed, or as a checkout that is installed editable."""
    from importlib.util import find_spec

    from se_backbones.utils import openmmlab as hosts
    hosts.require(package)
    folder = Path(find_spec(package).origin).parent
    return [folder / '.mim' / 'configs', folder.parent / 'configs']
