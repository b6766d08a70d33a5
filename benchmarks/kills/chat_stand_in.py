"""A chat server on the loopback that answers every question alike, so that `personagym profile` needs no model."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PROFILE = {
    "activity": "average",
    "rating": "fair",
    "conformity": "moderate",
    "diversity": "varied",
    "taste": "Quiet films.",
    "claims": ["likes Genre 0", "dislikes Genre 1"],
}
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": json.dumps(_PROFILE)}, "finish_reason": "stop"}
_USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
_BODY = json.dumps({"object": "chat.completion", "choices": [_CHOICE], "usage": _USAGE}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with suppress(ConnectionError):  # whoever asked may have been killed
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(_BODY)))
            self.end_headers()
            self.wfile.write(_BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def chat_stand_in() -> Iterator[str]:
    """The address of a server that runs in a process of its own while the body does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    process = os.fork()
    if not process:
        server.serve_forever()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        server.server_close()
