"""A web server on the loopback that behaves as badly as a test wants."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has and does; tests change it while it runs.

    Attributes:
        url: Address of its one file.
        content: The file.
        breaks: For each coming answer, after how many bytes the connection breaks; then no more.
        validated: Whether it sends an ETag.
        ranges: Whether it knows Range.
        lengths: Whether it sends Content-Length.
        statuses: For each coming request, an error instead of an answer.
        hook: Called when an answer has broken off.
        requests: Headers of every request.
        sent: Bytes of content sent in all.
    """

    url: str = ""
    content: bytes = b""
    breaks: list[int] = field(default_factory=list)
    validated: bool = True
    ranges: bool = True
    lengths: bool = True
    statuses: list[int] = field(default_factory=list)
    hook: object = None
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0

    @property
    def tag(self) -> str:
        """The ETag of the content that it has now."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


@contextmanager
def serving(content: bytes, name: str = "file") -> Iterator[Site]:
    """Provide a server with one file, `name`, until the context ends."""
    site = Site(content=content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests.append({key.lower(): value for key, value in self.headers.items()})
            if site.statuses:
                self.send_error(site.statuses.pop(0))
            elif self.path != f"/{name}":
                self.send_error(404)
            else:
                _answer(self, site)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}/{name}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


def _answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    begin = 0
    asked = handler.headers.get("Range")
    if asked and site.ranges and handler.headers.get("If-Range") == site.tag:
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {begin}-{len(site.content) - 1}/{len(site.content)}")
    else:
        handler.send_response(200)
    body = site.content[begin:]
    if site.lengths:
        handler.send_header("Content-Length", str(len(body)))
    if site.validated:
        handler.send_header("ETag", site.tag)
    handler.end_headers()
    if site.breaks:
        body = body[: site.breaks.pop(0)]
        handler.close_connection = True
    site.sent += len(body)  # before it is sent: the client may be done before this thread goes on
    handler.wfile.write(body)
    handler.wfile.flush()
    if callable(site.hook):
        site.hook()
