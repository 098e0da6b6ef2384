"""A folder served over HTTP on loopback, as viewers in a browser and cloud readers need: byte ranges and CORS."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; yields its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(SimpleHTTPRequestHandler):
    """Answers GET and HEAD of files, whole or one range of their bytes; every page may ask."""

    def send_head(self) -> BytesIO | None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        wanted = _range(*asked.groups(), size) if asked else range(size)
        if asked and not wanted:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return None
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(wanted)))
        if asked:
            self.send_header("Content-Range", f"bytes {wanted.start}-{wanted.stop - 1}/{size}")
        self.end_headers()
        with path.open("rb") as file:
            file.seek(wanted.start)
            return BytesIO(file.read(len(wanted)))

    def do_OPTIONS(self) -> None:
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def end_headers(self) -> None:
        for what in ("Origin", "Headers"):
            self.send_header(f"Access-Control-Allow-{what}", "*")
        self.send_header("Access-Control-Expose-Headers", "*")
        super().end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _range(first: str, last: str, size: int) -> range:
    """Return the bytes that `bytes=first-last` means; `bytes=-20` is the last 20."""
    if not first:
        return range(max(size - int(last), 0), size)
    return range(int(first), min(int(last) + 1, size) if last else size)
