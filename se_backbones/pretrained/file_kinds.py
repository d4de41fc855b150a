"""Recognise files that are not weights by their first bytes."""

# Enough for every sign below.
HEAD = 512

_LFS = b'version https://git-lfs.github.com/spec/'
_MARKUP = (b'<!doctype', b'<html', b'<?xml', b'<head', b'<body', b'<!--')


def not_weights(head: bytes) -> str:
    """Return in words what a file with these first bytes is, if no kind of checkpoint begins like that, else ``''``."""
    text = head.removeprefix(b'\xef\xbb\xbf').lstrip()
    if text.lower().startswith(_MARKUP):
        return 'a web page'
    if text.startswith(_LFS):
        return 'a git-lfs pointer: the weights themselves were never fetched (git lfs pull)'
    return ''
