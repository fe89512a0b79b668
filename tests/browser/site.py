"""A web site of another origin, to put the widget into."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """`policy` is its own content security policy; an isolated one lets only those in that agree to it."""

    origin: str
    html: str = ""
    policy: str = ""
    is_isolated: bool = False


def page_with(scripts: str) -> str:
    """A page with something on it, and these elements in its head."""
    return (
        f'<!doctype html><html lang="en"><head><title>Our site</title>{scripts}</head>'
        "<body><h1>Our site</h1><p>Welcome to our intranet.</p><button>Something else</button></body></html>"
    )


@contextmanager
def another_site() -> Iterator[Site]:
    """Served on a port of its own until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}")
        server.site = site  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        self.send_response(200 if self.path == "/" else 204)
        self.send_header("Content-Type", "text/html")
        if site.policy:
            self.send_header("Content-Security-Policy", site.policy)
        if site.is_isolated:
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        if self.path == "/":
            self.wfile.write(site.html.encode())
