"""Serves the page on the loopback, and nowhere else."""

import socket

from personagym_benchmarks.play.stage import Stage

ADDRESS = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """A socket on the loopback; port 0 takes any that is free.

    Raises:
        ValueError: the port is no port, or somebody else has it.
    """
    if not 0 <= port < 65536:
        raise ValueError(f"port must lie in 0..65535, got {port}")
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        own.bind((ADDRESS, port))
        own.listen()
    except OSError as error:
        own.close()
        raise ValueError(f"port {port} cannot be had ({error.strerror}): choose another one with --port") from error
    return own


def require_app() -> None:
    """Nothing, if what the page needs is installed.

    Raises:
        ImportError: it is not.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ImportError("the page needs FastAPI and uvicorn: pip install 'personagym[app]'") from error


def serve(stage: Stage, own: socket.socket) -> None:
    """Answer until the process is interrupted."""
    import uvicorn

    from personagym_benchmarks.play.app import make_app

    uvicorn.Server(uvicorn.Config(make_app(stage), log_level="warning")).run(sockets=[own])
