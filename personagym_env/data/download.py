"""One checked download: progress shown, size bounded, checksum compared, archive unpacked safely, all or nothing."""

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

_CHUNK = 1 << 16


class DownloadError(OSError):
    """A download failed or did not bring what was expected; nothing of it is kept."""


def download_zip(
    url: str, target: Path, *, md5: str, max_bytes: int = 1 << 28, timeout: float = 30.0, progress: bool = True
) -> None:
    """Download a zip archive and unpack it as the folder `target`, which appears complete or not at all.

    If everything in the archive lies in one folder, `target` is that folder. If `target` exists already, for
    example because another process was faster, it is left as it is.

    Args:
        url: the archive, http or https.
        target: folder to make; its parent is made too.
        md5: expected checksum in hexadecimal digits, as GroupLens publishes it; it tells damage, not malice.
        max_bytes: limit of the archive, and of all that is unpacked from it.
        timeout: seconds without a connection or without any data after which to give up.
        progress: whether to show a progress bar on standard error.

    Raises:
        DownloadError: no connection, an HTTP error, too large, cut off, a wrong checksum or an unsafe archive.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        archive = Path(scratch) / "archive.zip"
        found = _fetch(url, archive, max_bytes, timeout, progress)
        if found != md5:
            raise DownloadError(
                f"{url}: expected the MD5 checksum {md5}, got {found}; the file is damaged or was replaced"
            )
        unpacked = Path(scratch) / "unpacked"
        unpacked.mkdir()
        _unpack(archive, unpacked, max_bytes, url)
        content = list(unpacked.iterdir())
        whole = content[0] if len(content) == 1 and content[0].is_dir() else unpacked
        try:
            os.replace(whole, target)
        except OSError as error:
            if not target.is_dir():
                raise DownloadError(f"cannot put the data of {url} into {target}: {error}") from error


def _fetch(url: str, archive: Path, max_bytes: int, timeout: float, progress: bool) -> str:
    """Stream the archive into a file and return its MD5 checksum."""
    digest = hashlib.md5(usedforsecurity=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), disable=not progress)
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=timeout) as response, bar:
            response.raise_for_status()
            size = response.headers.get("content-length", "")
            task = bar.add_task(url.rsplit("/", 1)[-1], total=int(size) if size.isdigit() else None)
            received = 0
            with archive.open("wb") as file:
                for chunk in response.iter_bytes(_CHUNK):
                    received += len(chunk)
                    if received > max_bytes:
                        raise DownloadError(f"{url}: expected at most {max_bytes} bytes, got more")
                    digest.update(chunk)
                    file.write(chunk)
                    bar.update(task, completed=received)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadError(f"{url}: {error or type(error).__name__}") from error
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path, max_bytes: int, url: str) -> None:
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            if sum(member.file_size for member in members) > max_bytes:
                raise DownloadError(f"{url}: expected at most {max_bytes} bytes unpacked, got more")
            for member in members:
                _check_member(member, url)
            for member in members:
                destination = folder / member.filename
                if member.is_dir():
                    destination.mkdir(parents=True, exist_ok=True)
                    continue
                destination.parent.mkdir(parents=True, exist_ok=True)
                with content.open(member) as source, destination.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise DownloadError(f"{url}: expected a zip archive, got a broken one ({error})") from error


def _check_member(member: zipfile.ZipInfo, url: str) -> None:
    """Refuse what could be written outside the folder: absolute paths, `..`, drive letters, links."""
    path = PurePosixPath(member.filename)
    escapes = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename
    if escapes or stat.S_ISLNK(member.external_attr >> 16):
        raise DownloadError(f"{url}: the archive is unsafe, {member.filename!r} would be written outside of its folder")
