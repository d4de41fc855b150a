"""Transfer one URL into a partial file, resumed where it stopped."""

import errno
import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from se_backbones.pretrained.errors import DownloadError
from se_backbones.pretrained.file_kinds import HEAD, not_weights
from se_backbones.pretrained.progress import progress
from se_backbones.version import __version__

CHUNK = 1 << 20

# Answers of a server that may differ a moment later.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# A server that sends less is as good as stalled, in bytes per second.
_SLOWEST = 1024
# http to this machine passes nobody who could change what comes.
_LOCAL = {'127.0.0.1', '::1', 'localhost'}
# What has a meaning in a URL, or is quoted already.
_URL = "%/:?#[]@!$&'()*+,;=~"
_PAGES = {'text/html', 'application/xhtml+xml'}


class TransferError(Exception):
    """An attempt failed.

    Attributes:
        lasting: Whether the same URL would fail again.
    """

    def __init__(self, reason: str, lasting: bool = False):
        super().__init__(reason)
        self.lasting = lasting


class Transfer:
    """What is fetched from one URL, over several attempts.

    Args:
        url: https.
        part: The partial file.
        file: What it becomes, for the progress.
        stall: Seconds without data, or with next to none, after which the connection is given up.
        checked: Whether a hash will tell if the pieces of a continued file fit together. If not, a file is only
            continued where the server vouches, by its ETag or date, that it is the one that was begun.
    """

    def __init__(self, url: str, part: Path, file: str, stall: float, checked: bool):
        self.url = url
        self.part = part
        self.file = file
        self.stall = stall
        self.checked = checked
        self.validator = ''

    @property
    def size(self) -> int:
        """Bytes in the partial file."""
        return self.part.stat().st_size if self.part.exists() else 0

    def attempt(self) -> bool:
        """Fetch what is missing; return whether an earlier attempt's bytes were continued.

        Raises:
            TransferError: The network or the server failed; the partial file keeps what came.
            DownloadError: The partial file cannot be written.
        """
        wanted = self.size if self.checked or self.validator else 0
        with self._request(wanted) as response:
            start = self._start(response, wanted)
            total = None if response.length is None else start + response.length
            self.validator = _validator(response)
            with explained_writes(self.part):
                self._check_space(total, start)
                with (open(self.part, 'ab' if start else 'wb', opener=no_link) as part,
                      progress(self.file, total, start) as report):
                    size = start
                    for data in _received(response, self.stall):
                        part.write(data)
                        size += len(data)
                        report(size)
                    part.flush()
                    os.fsync(part.fileno())
        if total is not None and size != total:
            raise TransferError(f'the connection ended after {size} of {total} bytes')
        return start > 0

    def _request(self, start: int) -> http.client.HTTPResponse:
        headers = {'User-Agent': f'se_backbones/{__version__}', 'Accept-Encoding': 'identity'}
        if start:
            headers['Range'] = f'bytes={start}-'
            if self.validator:
                headers['If-Range'] = self.validator
        with _network(self.stall):
            _check_private(self.url)
            try:
                request = urllib.request.Request(quote(self.url, safe=_URL), headers=headers)
                response = urllib.request.build_opener(_Redirects).open(request, timeout=self.stall)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416:
                    # What is there is no beginning of what the server has.
                    self.part.unlink(missing_ok=True)
                    raise TransferError('the partial file does not belong to the file there') from None
                raise TransferError(f'HTTP {error.code} {error.reason}',
                                    lasting=error.code not in _PASSING) from None
        if response.headers.get_content_type() in _PAGES:
            response.close()
            raise TransferError('answered with a web page in place of the file', lasting=True)
        return response

    def _start(self, response: http.client.HTTPResponse, wanted: int) -> int:
        """Return at which byte of the file the answer begins."""
        if response.status != 206:
            return 0
        match = re.match(r'bytes (\d{1,18})-', response.headers.get('Content-Range', ''))
        if not match or int(match[1]) != wanted:
            self.part.unlink(missing_ok=True)
            raise TransferError('the server sent another byte range than the one requested')
        return wanted

    def _check_space(self, total: int | None, start: int) -> None:
        # Said before the first byte, not after the last that fits.
        if total is not None and total - start > shutil.disk_usage(self.part.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """urllib's own would follow an https URL to http and ftp ones."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        try:
            _check_private(newurl, req.full_url)
        except TransferError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_private(url: str, redirected_from: str = 'http:') -> None:
    """Refuse a URL whose content others on the way could change; urllib itself checks the certificates of https."""
    parts = urlsplit(url)
    local = parts.scheme == 'http' and parts.hostname in _LOCAL and redirected_from.startswith('http:')
    if parts.scheme != 'https' and not local:
        there = '' if redirected_from == 'http:' else f'sends to {url}: '
        raise TransferError(f'{there}only https URLs are fetched', lasting=True)


def no_link(path: str, flags: int) -> int:
    # In a folder that others write to, a link of this name could lead to any file of ours.
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def explained_writes(path: Path) -> Iterator[None]:
    """Turn failures to write into the cache into an error that says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        if full:
            # Else what was fetched would keep the disk full.
            path.unlink(missing_ok=True)
        raise DownloadError(
            f'{path} cannot be written: {error.strerror or error}. '
            f'{"Free some space there" if full else "Make that folder writable"}, or set SE_BACKBONES_HOME to another '
            'folder for downloaded weights.') from error


@contextmanager
def _network(stall: float) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        # urllib wraps what happens before the answer, not what happens after.
        cause = getattr(error, 'reason', error)
        if isinstance(cause, TimeoutError):
            raise TransferError(f'no data for {stall:g} s') from None
        lasting = isinstance(cause, (ssl.SSLCertVerificationError, http.client.InvalidURL, ValueError))
        reason = f'{type(cause).__name__}: {cause}' if isinstance(cause, Exception) else str(cause)
        raise TransferError(reason, lasting) from None


def _received(response: http.client.HTTPResponse, stall: float) -> Iterator[bytes]:
    """Yield what comes, after a look at the beginning."""
    data = b''
    while len(data) < HEAD and (more := _read(response, stall)):
        data += more
    if kind := not_weights(data):
        raise TransferError(f'answered with {kind}', lasting=True)
    size, since = 0, time.monotonic()
    while data:
        yield data
        size += len(data)
        if time.monotonic() >= since + stall:
            if size < _SLOWEST * stall:
                raise TransferError(f'less than {_SLOWEST / 1024:g} KiB/s for {stall:g} s')
            size, since = 0, time.monotonic()
        data = _read(response, stall)


def _read(response: http.client.HTTPResponse, stall: float) -> bytes:
    with _network(stall):
        return response.read1(CHUNK)


def _validator(response: http.client.HTTPResponse) -> str:
    """Return what identifies this version of the file, as ``If-Range`` takes it; empty: nothing does."""
    etag = response.headers.get('ETag', '')
    return etag if etag and not etag.startswith('W/') else response.headers.get('Last-Modified', '')
