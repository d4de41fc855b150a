"""Download a file into the cache, checked, once for all processes.

Where two nodes share the folder, one of them downloads and the others wait; where they do not, each downloads its own.
"""

import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mmengine.logging import print_log

from se_backbones.pretrained.errors import DownloadError
from se_backbones.pretrained.transfer import CHUNK, Transfer, TransferError, explained_writes, no_link
from se_backbones.utils.file_lock import exclusive

HOME = 'SE_BACKBONES_HOME'
OFFLINE = 'SE_BACKBONES_OFFLINE'

# As in torch.hub, NAME-<first digits of the sha256>.pth, but of eight digits or more: vit-b.pth names no hash. Nor does
# name-20200804.pth, which is a date.
_HASH = re.compile(r'-(?!(?:19|20)\d{6}\.)([0-9a-f]{8,64})\.')


@dataclass(frozen=True)
class RetryPolicy:
    """How long a download is tried.

    Attributes:
        attempts: On each URL, in a row that brings no new mebibyte.
        stall: Seconds without data, or with less than a KiB in each, after which a connection is given up.
        backoff: Seconds before the second attempt; doubled before each further one.
    """

    attempts: int = 5
    stall: float = 30.0
    backoff: float = 1.0


def fetch(file: str, urls: Sequence[str], sha256: str = '', page: str = '', home: Path | None = None,
          retry: RetryPolicy = RetryPolicy()) -> Path:  # noqa: B008 (frozen)
    """Return the path of a file in the cache, downloaded if it is not there yet, and verified.

    A download that was cut off is continued. No file that is there is ever overwritten. The whole sha256 of what is
    first found there is recorded beside it, in ``FILE.sha256``, and holds for ever after, also for another download.

    Args:
        file: Its name in the cache.
        urls: Mirrors, best first, https; empty if a person must fetch it.
        sha256: Hex digest or its first digits; empty: none was published, and what comes first is taken.
        page: Where a person finds the file.
        home: The cache folder; None: ``SE_BACKBONES_HOME``, or else torch.hub's ``checkpoints``.
        retry: How long it is tried.

    Raises:
        DownloadError: No mirror gave the file, the cache holds another one by this name or cannot be written, somebody
            pressed Ctrl-C, or ``SE_BACKBONES_OFFLINE`` is set and the file is not there. The text says what to do.
    """
    path = (cache_folder() if home is None else Path(home)) / _plain_name(file)
    sha256 = _recorded(path, sha256.lower())
    if _cached(path, sha256):
        return path
    if os.environ.get(OFFLINE, '0') not in ('', '0'):
        raise DownloadError(_by_hand(path, urls, page, f'{file} is not in {path.parent}, and {OFFLINE} is set.'))
    if not urls:
        raise DownloadError(_by_hand(path, urls, page,
                                     f'{file} is not in {path.parent} and must be downloaded by hand.'))
    try:
        with _only_one(path) as part:
            # Another process may have been faster.
            if not _cached(path, sha256):
                _download(path, part, urls, sha256, page, retry)
    except KeyboardInterrupt:
        raise DownloadError(f'{file}: interrupted. What came is kept; the next download goes on from there.') from None
    return path


def url_file(url: str) -> tuple[str, str]:
    """Return the name in the cache of what a URL points to, and the beginning of its sha256.

    ``https://.../resnet50-0676ba61.pth`` says its hash, as torch.hub and OpenMMLab have it. A name without one gets
    some digits of the URL, for two servers may mean different files by ``model.pth``; its hash is ``''``.

    Raises:
        DownloadError: The URL ends in no file name.
    """
    file = _plain_name(unquote(urlsplit(url).path.rpartition('/')[2]), url)
    hashes = _HASH.findall(file)
    if hashes:
        return file, hashes[-1]
    stem, dot, suffix = file.partition('.')
    return f'{stem}_{hashlib.sha256(url.encode()).hexdigest()[:8]}{dot}{suffix}', ''


def cache_folder() -> Path:
    """Return where downloaded weights are kept; torchvision's, timm's and mmengine's lie in the same place."""
    home = os.environ.get(HOME)
    if home:
        return Path(home).expanduser()
    from torch import hub
    return Path(hub.get_dir()) / 'checkpoints'


def _plain_name(file: str, url: str = '') -> str:
    """Return ``file`` if it names a file in the cache and nothing outside."""
    if not file or file in ('.', '..') or re.search(r'[/\\\0]', file) or len(file.encode()) > 200:
        raise DownloadError(f'{file!r}{f", from {url}," if url else ""} is not a file name; it must not be empty '
                            'or have slashes.')
    return file


def _cached(path: Path, sha256: str) -> bool:
    if not os.path.lexists(path):
        return False
    if not path.is_file():
        raise DownloadError(f'{path} is in the way: it is not a file. Remove it.')
    actual = _sha256(path)
    if not actual.startswith(sha256):
        raise DownloadError(
            f'{path} is not the file that was published, or that was there first: its sha256 begins with '
            f'{actual[:max(len(sha256), 8)]}, not {sha256}. Delete it, and it is downloaded again. If the change is '
            f'meant, delete {_record(path).name} beside it.')
    _keep_record(path, actual)
    return True


def _record(path: Path) -> Path:
    """Return where the digest of a file is recorded, as ``sha256sum --check`` reads it."""
    return path.with_name(f'{path.name}.sha256')


def _recorded(path: Path, sha256: str) -> str:
    """Return the whole digest that is recorded for a file, or else what was published of it."""
    try:
        digest = _record(path).read_text()[:64]
    except (OSError, ValueError):
        return sha256
    return digest if re.fullmatch('[0-9a-f]{64}', digest) and digest.startswith(sha256) else sha256


def _keep_record(path: Path, digest: str) -> None:
    # A cache that cannot be written serves what it has.
    if _recorded(path, '') != digest:
        with suppress(OSError), open(_record(path), 'w', opener=no_link) as file:
            file.write(f'{digest}  {path.name}\n')


def _sha256(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


@contextmanager
def _only_one(path: Path) -> Iterator[Path]:
    """Hold the file's lock; yield where to put what comes before it is whole."""
    with explained_writes(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f'{path.name}.lock')
    with ExitStack() as stack:
        with explained_writes(lock):
            held = stack.enter_context(exclusive(lock, f'to download {path.name}'))
        # Without a lock nobody else must write there, and nobody can continue.
        own = '' if held else f'.{socket.gethostname()}-{os.getpid()}'
        yield path.with_name(f'{path.name}{own}.part')
        if held:
            # Whoever waits on this lock, or makes it anew, finds the file.
            lock.unlink(missing_ok=True)


def _download(path: Path, part: Path, urls: Sequence[str], sha256: str, page: str, retry: RetryPolicy) -> None:
    """Fetch ``path`` from the first URL that has it."""
    reasons = []
    for url in urls:
        reason = _from_url(url, path, part, sha256, retry)
        if not reason:
            return
        print_log(f'{url}: {reason}', logger='current')
        reasons.append(f'    {url}: {reason}')
    raise DownloadError(_by_hand(path, (), page, '\n'.join([f'{path.name} could not be downloaded:', *reasons])))


def _from_url(url: str, path: Path, part: Path, sha256: str, retry: RetryPolicy) -> str:
    """Fetch ``path`` from one URL; return an empty string, or why that failed."""
    if sha256 and part.exists() and _sha256(part).startswith(sha256):
        return _keep(part, path, sha256)
    # At once: until the server answers there is nothing else to see.
    print_log(f'Downloading {path.name} from {url}', logger='current')
    transfer = Transfer(url, part, path.name, retry.stall, checked=bool(sha256))
    most, failures = transfer.size, 0
    while True:
        try:
            continued = transfer.attempt()
            actual = _sha256(part)
            if actual.startswith(sha256):
                return _keep(part, path, sha256)
            part.unlink()
            reason = f'the sha256 there {"is" if len(sha256) == 64 else "begins with"} ' \
                     f'{actual[:max(len(sha256), 8)]}, not {sha256}'
            if _record(path).exists():
                reason += f' as {_record(path)} says of what came first; delete that, if it was not whole or another'
            # If this was pieced together, the pieces may be to blame.
            lasting = not continued
        except TransferError as error:
            reason, lasting = str(error), error.lasting
        failures = 0 if transfer.size >= most + CHUNK else failures + 1
        most = max(most, transfer.size)
        if lasting:
            return reason
        if failures >= retry.attempts:
            return f'{reason} ({failures} attempts)'
        pause = retry.backoff * 2 ** max(0, failures - 1)
        print_log(f'{path.name}: {reason}; attempt {failures + 1} of {retry.attempts} in {pause:g} s',
                  logger='current')
        time.sleep(pause)


def _keep(part: Path, path: Path, sha256: str) -> str:
    """Give the whole, verified file its name, at once, and only if nothing has that name."""
    with explained_writes(path):
        try:
            os.link(part, path)
        except FileExistsError:
            # Somebody who knows nothing of the lock put it there meanwhile; it stays, if it is the right one.
            pass
        except OSError:
            # A file system without hard links.
            part.rename(path)
        part.unlink(missing_ok=True)
    _cached(path, sha256)
    return ''


def _by_hand(path: Path, urls: Sequence[str], page: str, problem: str) -> str:
    places = ''.join(f'\n    {place}' for place in [*urls, page] if place)
    source = f' from{places}\n' if places else ' '
    return (f'{problem}\nFetch it by hand{source}and save it as {path} ({HOME} names another folder).\n'
            'To go on without these weights: init_cfg=None (--cfg-options model.backbone.init_cfg=None).')
