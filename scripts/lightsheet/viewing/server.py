"""Serves a folder over HTTP on loopback, as viewers in a browser need: byte ranges and CORS."""

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler, StaticFileHandler

from lightsheet.system import LOOPBACK, InputError, logger

DESCRIPTION = "view.json"


@contextmanager
def serve_folder(
    folder: Path,
    port: int = 0,
    describe: Callable[[str], Any] | None = None,
    find_file: Callable[[str], bytes | None] | None = None,
) -> Iterator[str]:
    """Serve a folder's files on loopback.

    Parameters
    ----------
    folder : Path; nothing that a link in it leads to elsewhere is served, and folders are not listed
    port : int, 0 for a free one
    describe : callable, optional; takes the URL and returns the dictionary that is served as `view.json`
    find_file : callable, optional; takes a path below the folder where nothing is, and returns what is served, or None

    Yields
    ------
    str
        The folder's URL, without a slash at its end. A part of it is secret, because all users of a computer reach its
        loopback, and every page in a browser does.

    Raises
    ------
    InputError
        If the port is not free.
    """
    if port not in range(1 << 16):
        raise InputError(f"--port {port} is none: ports are numbers from 1 to 65535")
    try:
        listener = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise InputError(f"--port {port} cannot be had ({error}); name another, or none for a free one") from error
    secret = secrets.token_urlsafe(9)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/{secret}"
    description = [(f"/{secret}/{DESCRIPTION}", _Description, {"describe": lambda: describe(url)})] if describe else []
    files = (f"/{secret}/(.*)", _File, {"path": str(folder.absolute())})
    virtual = [(f"/{secret}/(raw/.*)", _Virtual, {"find_file": find_file})] if find_file else []
    application = Application(
        [*description, *virtual, files], log_function=lambda _: None
    )  # a viewer asks hundreds of times
    with _answer_requests(application, listener):
        yield url


@contextmanager
def _answer_requests(application: Application, listener: socket.socket) -> Iterator[None]:
    """Answer requests in a thread."""
    stop = asyncio.Event()

    async def serve() -> None:
        server = HTTPServer(application)
        listener.setblocking(False)
        server.add_socket(listener)
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class _CorsHandler(RequestHandler):
    """Lets pages of every origin read."""

    def set_default_headers(self) -> None:
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "*")
        self.set_header("Access-Control-Expose-Headers", "*")
        self.set_header("Cache-Control", "no-cache")  # a rerun publishes other content under the same name

    def options(self, *_path: str) -> None:
        """Answer what a browser asks before it asks for `bytes=-N`."""
        self.set_status(204)


class _File(_CorsHandler, StaticFileHandler):
    """Tornado's own, but for the ETag: that one is a digest of the whole file, made once, even if the file changes."""

    def compute_etag(self) -> str:
        assert self.absolute_path is not None
        stat = Path(self.absolute_path).stat()
        return f'"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"'


class _Virtual(_CorsHandler):
    """Serves files that are made when they are asked for, in threads: it may take seconds."""

    def initialize(self, find_file: Callable[[str], bytes | None]) -> None:
        self._find_file = find_file

    async def get(self, path: str) -> None:
        try:
            content = await asyncio.to_thread(self._find_file, path)
        except InputError as error:
            logger.error("%s", error)
            self.set_status(410)  # gone
            self.finish(str(error))
            return
        if content is None:
            self.set_status(404)
            return
        self.set_header("Content-Type", "application/octet-stream")
        self.finish(content)

    async def head(self, path: str) -> None:
        """Answer as Tornado does for `GET`; it leaves the content out."""
        await self.get(path)


class _Description(_CorsHandler):
    def initialize(self, describe: Callable[[], Any]) -> None:
        self._describe = describe

    def get(self) -> None:
        self.write(self._describe())
