"""What RFC 9110 says of ranges, and the Fetch standard of CORS, asked for byte by byte with http.client."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lightsheet.system.errors import InputError
from lightsheet.viewing import server

CONTENT = bytes(range(100))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    outside = tmp_path_factory.mktemp("outside")
    folder = outside / "served"
    (folder / "a #1").mkdir(parents=True)
    (folder / "a #1" / "shard").write_bytes(CONTENT)
    (outside / "private").write_text("secret")
    (folder / "link").symlink_to(outside / "private")
    (folder / "folder link").symlink_to(outside)
    with server.serve_folder(folder, describe=lambda url: {"it": url}) as place:
        yield place


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """Ask for a path as it is written: other clients tidy `..` away."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request(method, f"{parts.path}/{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


@pytest.mark.parametrize(
    ("range_header", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=90-", 206, 90, 99),
        ("bytes=-7", 206, 93, 99),
        ("bytes=95-200", 206, 95, 99),
        ("bytes=99-99", 206, 99, 99),
        ("bytes=-1000", 200, 0, 99),
        ("lines=1-2", 200, 0, 99),
    ],
)
def test_a_range_is_those_bytes(url: str, range_header: str, status: int, first: int, last: int) -> None:
    response, content = ask(url, "a%20%231/shard", Range=range_header)
    assert (response.status, content) == (status, CONTENT[first : last + 1])
    assert response.headers["Content-Length"] == str(last + 1 - first)
    assert response.headers["Content-Range"] == (f"bytes {first}-{last}/100" if status == 206 else None)
    assert response.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("range_header", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(url: str, range_header: str) -> None:
    response, _ = ask(url, "a%20%231/shard", Range=range_header)
    assert (response.status, response.headers["Content-Range"]) == (416, "bytes */100")


def test_head_tells_the_size_alone(url: str) -> None:
    response, content = ask(url, "a%20%231/shard", "HEAD")
    assert (response.status, response.headers["Content-Length"], content) == (200, "100", b"")


@pytest.mark.parametrize(("path", "status"), [("a%20%231/shard", 200), ("absent", 404), (server.DESCRIPTION, 200)])
def test_pages_of_every_origin_may_read(url: str, path: str, status: int) -> None:
    """And the viewers see that a chunk is absent, instead of an error of the network."""
    response, _ = ask(url, path, Origin="https://viewer.example")
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (status, "*")
    assert response.headers["Access-Control-Expose-Headers"] == "*"


def test_browsers_may_ask_for_ranges(url: str) -> None:
    """`bytes=-N` makes a browser ask first."""
    preflight = {"Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "range"}
    response, content = ask(url, "a%20%231/shard", "OPTIONS", Origin="https://viewer.example", **preflight)
    assert (response.status, content) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "GET" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "*"


OUTSIDE = ["../private", "%2e%2e/private", "..%2fprivate", "a%20%231/../../private", "..\\private"]
OUTSIDE += ["/etc/passwd", "%2Fetc%2Fpasswd", "link", "folder%20link/private"]


@pytest.mark.parametrize("path", [*OUTSIDE, "", "a%20%231", "a%20%231/"])
def test_nothing_else_is_served_or_listed(url: str, path: str) -> None:
    response, content = ask(url, path)
    assert response.status in (403, 404)
    assert not any(word in content for word in (b"secret", b"shard", b"root:"))


def test_the_secret_part_is_needed(url: str) -> None:
    response, _ = ask(url.rpartition("/")[0], "a%20%231/shard")
    assert response.status == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nothing_can_be_written(url: str, method: str) -> None:
    response, _ = ask(url, "a%20%231/shard", method)
    assert response.status == 405


def test_a_changed_file_is_sent_anew_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    shard, new = tmp_path / "shard", tmp_path / "new"
    shard.write_bytes(b"old")
    with server.serve_folder(tmp_path) as url:
        first, _ = ask(url, "shard")
        etag = first.headers["ETag"]
        assert ask(url, "shard", If_None_Match=etag)[0].status == 304
        new.write_bytes(b"new")
        new.replace(shard)
        response, content = ask(url, "shard", If_None_Match=etag)
    assert (response.status, content) == (200, b"new")
    assert first.headers["Cache-Control"] == "no-cache"


def test_the_description_knows_the_url(url: str) -> None:
    response, content = ask(url, server.DESCRIPTION)
    assert content == f'{{"it": "{url}"}}'.encode()
    assert response.headers["Content-Type"].startswith("application/json")


def test_only_this_computer_is_served(url: str) -> None:
    assert urlsplit(url).hostname == "127.0.0.1"


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port} cannot be had .*in use.*name another"):
            server.serve_folder(tmp_path, port).__enter__()
    with server.serve_folder(tmp_path, port) as url:
        assert urlsplit(url).port == port


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_that_is_none_is_named(tmp_path: Path, port: int) -> None:
    with pytest.raises(InputError, match=f"--port {port} is none"):
        server.serve_folder(tmp_path, port).__enter__()
