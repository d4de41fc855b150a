"""Checks for the packages of an extra."""

import importlib.util


def need(what: str, extra: str, *distributions: str, error: type[Exception] = ImportError) -> None:
    """Check that packages are installed, without importing them.

    Args:
        what: What needs them, as the beginning of a sentence in the plural.
        extra: The extra of ours that names them.
        distributions: Their names, as pip writes them.
        error: What is raised.

    Raises:
        error: One is missing; the text is one line that says how to install it.
    """
    modules = {'scikit-learn': 'sklearn', 'protobuf': 'google.protobuf'}
    missing = [name for name in distributions if not _is_there(modules.get(name, name))]
    if missing:
        raise error(f"{what} need {' and '.join(missing)}: pip install 'se_backbones[{extra}]'")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it lies in is missing
        return False
