"""The download against a server on this machine: good, damaged, cut off, missing, too large, unsafe."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from personagym_env.data.download import DownloadError, download_zip


def make_zip(files: dict[str, str], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o120777 if name in links else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


GOOD = make_zip({"films/": "", "films/u.data": "1\t1\t5\t1\n" * 100, "films/more/u.item": "1|One\n"})


class Handler(BaseHTTPRequestHandler):
    """Serves `bodies`; promises more bytes than it sends under /cut, and redirects from /moved."""

    bodies: dict[str, bytes]

    def do_GET(self) -> None:
        """Answer by path."""
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good.zip")
            self.end_headers()
            return
        body = self.bodies.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) * (2 if self.path == "/cut" else 1)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Address of a running server and the bodies that it serves."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = type("BoundHandler", (Handler,), {"bodies": {"/good.zip": GOOD, "/cut": GOOD}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", handler.bodies  # type: ignore[attr-defined]
        running.shutdown()
        thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def assert_nothing_left(target: Path) -> None:
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("path", ["/good.zip", "/moved"])
def test_a_good_archive_becomes_the_folder(
    server: tuple[str, dict[str, bytes]], tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "cache" / "ml-100k"
    download_zip(server[0] + path, target, md5=md5(GOOD))
    assert (target / "u.data").read_text() == "1\t1\t5\t1\n" * 100
    assert (target / "more" / "u.item").read_text() == "1|One\n"
    assert [file.name for file in target.parent.iterdir()] == ["ml-100k"]
    assert path[1:] in capsys.readouterr().err  # the progress bar names the file


def test_an_archive_without_a_folder_of_its_own_becomes_the_folder(
    server: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    server[1]["/flat"] = make_zip({"a": "1", "b": "2"})
    download_zip(f"{server[0]}/flat", tmp_path / "x", md5=md5(server[1]["/flat"]), progress=False)
    assert sorted(file.name for file in (tmp_path / "x").iterdir()) == ["a", "b"]


def test_a_folder_that_another_process_made_meanwhile_is_kept(
    server: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "mine").touch()
    download_zip(f"{server[0]}/good.zip", tmp_path / "ml-100k", md5=md5(GOOD), progress=False)
    assert [file.name for file in (tmp_path / "ml-100k").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("path", "checksum", "message"),
    [
        ("/good.zip", "0" * 32, f"expected the MD5 checksum {'0' * 32}, got {md5(GOOD)}"),
        ("/cut", md5(GOOD), "peer closed connection"),
        ("/missing", md5(GOOD), "404"),
    ],
)
def test_failures_say_why_and_leave_nothing(
    server: tuple[str, dict[str, bytes]], tmp_path: Path, path: str, checksum: str, message: str
) -> None:
    with pytest.raises(DownloadError, match=message) as caught:
        download_zip(server[0] + path, tmp_path / "x", md5=checksum, progress=False)
    assert server[0] + path in str(caught.value)
    assert_nothing_left(tmp_path / "x")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:evil", "..\\evil", "link"])
def test_members_that_escape_the_folder_are_refused(
    server: tuple[str, dict[str, bytes]], tmp_path: Path, name: str
) -> None:
    body = make_zip({"good": "1", name: "../../evil"}, links=("link",))
    server[1]["/evil"] = body
    with pytest.raises(DownloadError, match="the archive is unsafe"):
        download_zip(f"{server[0]}/evil", tmp_path / "in" / "x", md5=md5(body), progress=False)
    assert_nothing_left(tmp_path / "in" / "x")
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


def test_broken_archives_and_sizes_above_the_limit_are_refused(
    server: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    server[1].update({"/half": GOOD[: len(GOOD) // 2], "/bomb": make_zip({"zeros": "0" * 100_000})})
    for path, limit, message in (
        ("/half", 10_000, "expected a zip archive"),
        ("/bomb", 10_000, "at most 10000 bytes unpacked"),
        ("/good.zip", 100, "at most 100 bytes, got more"),
    ):
        body = server[1][path]
        with pytest.raises(DownloadError, match=message):
            download_zip(server[0] + path, tmp_path / "x", md5=md5(body), max_bytes=limit, progress=False)
        assert_nothing_left(tmp_path / "x")


def test_a_server_that_is_not_there_is_a_download_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:1/x"):
        download_zip("http://127.0.0.1:1/x", tmp_path / "x", md5="", timeout=2.0, progress=False)
    assert_nothing_left(tmp_path / "x")
