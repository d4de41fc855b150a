"""How weights come in: checked, counted, and without changing the function where operators are inserted."""

__all__ = ['Pretrained']


def __getattr__(name: str):
    # On demand: python -m se_backbones.weights lists without the seconds that it takes to import all networks.
    if name == 'Pretrained':
        from se_backbones.weights.pretrained import Pretrained
        return Pretrained
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
