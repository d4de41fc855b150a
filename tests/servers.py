"""Web servers on 127.0.0.1: one that knows ranges and misbehaves on demand, and a stand-in for the Hugging Face Hub."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """What was asked for: the path, and the headers that matter here (empty: not sent)."""

    method: str
    path: str
    range: str
    if_range: str
    authorization: str


class WeightsServer:
    """Serves ``files`` and notes each request.

    An answer to ``/name`` is a function of the handler and the content; :meth:`serve` says which ones come first. After
    these the file is served well: whole, or from where a Range header wants it.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._plans: dict[str, Iterator[Callable]] = {}
        self._http = ThreadingHTTPServer(('127.0.0.1', 0), _handler(self))
        self.address = f'http://127.0.0.1:{self._http.server_port}'
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs=dict(poll_interval=0.02), daemon=True).start()

    def url(self, name: str) -> str:
        return f'{self.address}/{name}'

    def serve(self, name: str, content: bytes, answers: Iterable[Callable] = ()) -> str:
        """Serve ``content`` under a name, after these answers; return its URL."""
        self.files[name] = content
        self._plans[name] = iter(answers)
        return self.url(name)

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    # Answers.

    def absent(self, handler) -> None:
        handler.send_error(404)

    def error(self, code: int) -> Callable:
        return lambda handler, content: handler.send_error(code)

    def redirect(self, to: str) -> Callable:
        return lambda handler, content: handler.reply(302, b'', Location=to)

    def page(self, kind: str = 'text/html', body: bytes = b'<!DOCTYPE html><html>Sign in</html>') -> Callable:
        return lambda handler, content: handler.reply(200, body, **{'Content-Type': kind})

    def cut(self, size: int) -> Callable:
        """The connection ends early, whatever range was asked for."""
        return lambda handler, content: handler.reply(200, content[:size], **{
            'Content-Length': str(len(content)), 'ETag': _etag(content)})

    def stall(self, size: int) -> Callable:
        """After some bytes nothing comes any more."""
        def answer(handler, content):
            self.cut(size)(handler, content)
            handler.wfile.flush()
            self.closing.wait(60)
        return answer

    def whole(self) -> Callable:
        """Ranges are ignored."""
        return lambda handler, content: handler.reply(200, content)

    def wrong_part(self) -> Callable:
        return lambda handler, content: handler.reply(206, content[1:], **{
            'Content-Range': f'bytes 1-{len(content) - 1}/{len(content)}'})

    def plain(self, handler, content) -> None:
        asked = re.fullmatch(r'bytes=(\d+)-', handler.headers.get('Range', ''))
        same = handler.headers.get('If-Range', _etag(content)) == _etag(content)
        start = int(asked[1]) if asked and same else 0
        if start and start >= len(content):
            handler.send_error(416)
        elif start:
            handler.reply(206, content[start:], **{
                'Content-Range': f'bytes {start}-{len(content) - 1}/{len(content)}', 'ETag': _etag(content)})
        else:
            handler.reply(200, content, ETag=_etag(content))


class Hub(WeightsServer):
    """Answers ``OWNER/NAME/resolve/REVISION/FILE`` as the hub does: with the commit, an etag and the size."""

    commit = '0123456789abcdef0123456789abcdef01234567'

    def plain(self, handler, content) -> None:
        handler.reply(200, content, **{'ETag': _etag(content), 'X-Repo-Commit': self.commit})

    def absent(self, handler) -> None:
        repository = handler.name.rpartition('/resolve/')[0] + '/'
        known = any(name.startswith(repository) for name in self.files)
        handler.reply(404, b'', **{'X-Error-Code': 'EntryNotFound' if known else 'RepoNotFound'})


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def _handler(server: WeightsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.name = name = self.path.lstrip('/').partition('?')[0]
            server.requests.append(Request(self.command, name, *(
                self.headers.get(key, '') for key in ('Range', 'If-Range', 'Authorization'))))
            if name not in server.files:
                return server.absent(self)
            try:
                next(server._plans.get(name, iter(())), server.plain)(self, server.files[name])
            except OSError:
                # Who asked has gone.
                pass

        do_HEAD = do_GET

        def reply(self, code, content, **headers):
            self.send_response(code)
            for key, value in {'Content-Length': str(len(content)), 'Content-Type': 'application/octet-stream',
                               **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == 'GET':
                self.wfile.write(content)

        def log_message(self, *args):
            pass

    return Handler
