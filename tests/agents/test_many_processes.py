"""Eight processes that begin at once share a table of answers, a cache and a download, and each reads what is right."""

import hashlib
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

PROCESSES = 8
CHILD = """
import sys
from pathlib import Path
import numpy as np
from personagym_agents.classical.static_cached import StaticCachedUsers
from personagym_agents.llm.answer_cache import AnswerCache
from personagym_agents.llm.chat import Answer
from personagym_env.data.download import download_zip
from personagym_env.protocols import Reaction

folder, url, md5, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])

class Users:
    name, scale, n_users, n_items = "made up", (1.0, 2.0), 20, 30
    def open(self, n): return Sessions(n)

class Sessions:
    def __init__(self, n): self.user = np.zeros(n, int)
    def start(self, rows, users): self.user[rows] = users
    def consume(self, rows, items, ratings): pass
    def react(self, rows, slates):
        want = ((self.user[rows, None] * 30 + slates) / 1000 + 0.1).astype(np.float32)
        return Reaction(want, np.stack([want, 1 - want], axis=-1))

print("ready", flush=True)
sys.stdin.readline()
table = StaticCachedUsers(Users(), folder=folder / "answers")
cache = AnswerCache(folder / "cache")
users, rng = np.arange(20), np.random.default_rng(number)
for turn in range(30):
    sessions = table.open(20)
    sessions.start(users, users)
    slates = rng.integers(0, 30, (20, 5))
    said = sessions.react(users, slates)
    np.testing.assert_allclose(said.choice_probability, (users[:, None] * 30 + slates) / 1000 + 0.1, rtol=1e-5)
    np.testing.assert_allclose(said.rating.sum(axis=2), 1, rtol=1e-5)
    answer = Answer("yes" * 1000, True, 1, 2)
    cache.put(f"{turn:064x}", answer)
    assert cache.get(f"{turn:064x}") == answer
download_zip(url, folder / "films", md5=md5, progress=False)
assert (folder / "films" / "u.data").read_text() == "1" * 1000
"""


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Address and checksum of an archive that a server on this machine gives out."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        content.writestr("films/u.data", "1" * 1000)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(buffer.getvalue())))
            self.end_headers()
            self.wfile.write(buffer.getvalue())

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/films.zip", hashlib.md5(buffer.getvalue()).hexdigest()
        running.shutdown()
        thread.join()


def test_eight_processes_at_once(tmp_path: Path, archive: tuple[str, str]) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), *archive, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    told = []
    for child in children:  # they wait until all are there
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        _, error = child.communicate(timeout=240)
        told.append((child.returncode, error))
    assert told == [(0, "")] * PROCESSES
    known = np.load(tmp_path / "answers" / "known.npy")
    kept = np.load(tmp_path / "answers" / "choice_probability.npy")
    assert known.mean() > 0.9
    np.testing.assert_allclose(kept[known], (np.arange(600) / 1000 + 0.1)[known], rtol=1e-5)
    scratch = [path for path in tmp_path.rglob(".*") if path.name != ".answers.lock"]
    assert not scratch, "nothing half written is left"
