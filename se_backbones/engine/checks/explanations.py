"""An error in one line, with the likely cause where it is known."""

_IMPORT = ' One of your own is found once its module is imported: custom_imports=dict(imports=["my_module"]).'
_DELETE = (' If it comes from the config that yours inherits, write _delete_=True into the dict with the new type: '
           'without it the old keys stay.')


def explained(error: BaseException) -> str:
    """Return an error's text; the names of its kind go before it where the text may need them."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, (AssertionError, AttributeError, KeyError, IndexError)) or not text:
        text = f'{type(error).__name__}: {text}'
    if not isinstance(error, (ValueError, OSError)):
        text = ' '.join(text.split())
    if text.endswith((_IMPORT, _DELETE)):
        return text  # explained on its way here
    if ('is not in the' in text and 'registry' in text) or 'op.type must be one of' in text:
        return text.removeprefix('KeyError: ').removeprefix('UnknownTypeError: ') + _IMPORT
    if 'unexpected keyword argument' in text or 'has no option' in text:
        return text + '.' * (text[-1] not in '.?') + _DELETE
    return text
