"""A real llama.cpp server beside `transformers`: chances of the same answers to the same prompts of SmolLM2.

`python benchmarks/ablations/served_answers.py --server path/to/llama-server` starts the server on the loopback with the
file of weights that the base is read from, asks both the first held-out rows of some users, and prints by how much
chances and log probabilities differ at most. The server multiplies the quantised weights as they are, with activations
in 8 bits; `--gguf` names a file of the same weights in another precision, such as one that `llama-quantize
--allow-requantize FILE OUT F32` writes, by which the difference of precision is told from that of the protocol.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import tyro

from ablations.results import ServedAnswers
from personagym_agents.llm.answer_chances import AnswerModel, EndpointAnswers, LocalAnswers
from personagym_agents.llm.chat import Conversation
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.prompted import conversation
from personagym_agents.llm.prompted_users import PromptedUsers
from personagym_agents.model.causal_lm import load_base
from personagym_agents.model.named_bases import weights_file
from personagym_benchmarks.console import make_console
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.fidelity.contamination import blind

_PATIENCE = 60.0
"""Seconds that a server may take to load its weights."""


@dataclass(frozen=True)
class Args:
    """Which server, and what to ask."""

    server: Path
    """The program `llama-server`."""
    gguf: Path | None = None
    """Weights for the server; None for those of the base."""
    precision: str = "as packaged"
    """What the result calls the server's weights."""
    base: str = "smollm2"
    dataset: str = "ml-100k"
    prompts: int = 20
    """A prompt of a held-out row of so many users."""
    top: int = 200
    """Likeliest tokens that the server tells."""
    output: Path = Path("runs/served_answers.json")


@contextmanager
def served(program: Path, weights: Path) -> Iterator[str]:
    """The base URL of a server that runs as long as this is open.

    Raises:
        ValueError: it ended, or is not ready in time.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where, size = ["--host", "127.0.0.1", "--port", str(port)], ["-t", "1", "-c", "4096", "-np", "1"]
    command = [str(program), "-m", str(weights), *where, *size]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", health: str) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ValueError(f"the server ended with status {process.returncode} before it was ready")
        try:
            if httpx.get(health, timeout=1.0).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise ValueError(f"the server was not ready within {_PATIENCE:.0f} s")


def questions_of(args: Args, local: LocalAnswers) -> tuple[list[Conversation], list[str]]:
    """Prompts of held-out rows, one of each user, and the answers."""
    dataset = load_dataset(args.dataset)
    train, test = named_split(dataset, None, None).split
    agent = PromptedUsers(local, blind(dataset, train), train)
    ends = int(train.scale[0]), int(train.scale[-1])
    first = np.flatnonzero(test.rank_in_user == 0)[: args.prompts]
    pairs = zip(test.users[first].tolist(), test.items[first].tolist(), strict=True)
    asked = [conversation(agent.document(user), agent.lines[item], ends) for user, item in pairs]
    return asked, [str(rating) for rating in range(ends[0], ends[1] + 1)]


def timed(model: AnswerModel, asked: list[Conversation], words: list[str]) -> tuple[FloatArray, float]:
    """(k, w) chances, and seconds of the wall per prompt; each asked on its own."""
    begin = time.perf_counter()
    found = np.concatenate([model.chances([one], words) for one in asked])
    return found, (time.perf_counter() - begin) / len(asked)


def compare(args: Args) -> ServedAnswers:
    """Ask both.

    Raises:
        ValueError: the server does not start, or the base is not installed.
        ChatError: the server fails.
    """
    local = LocalAnswers(*load_base(args.base))
    asked, words = questions_of(args, local)
    near, local_seconds = timed(local, asked, words)
    with served(args.server, args.gguf or weights_file(args.base)) as url:
        settings = EndpointSettings(url, args.base, concurrency=1)
        with EndpointChat(settings) as chat:
            answers = EndpointAnswers(chat, top=args.top)
            far, served_seconds = timed(answers, asked, words)
    return ServedAnswers(
        precision=args.precision,
        prompts=len(asked),
        prompt_tokens=answers.usage.prompt_tokens,
        largest_chance=float(np.abs(near - far).max()),
        mean_chance=float(np.abs(near - far).mean()),
        largest_log=float(np.abs(np.log(near) - np.log(far)).max()),
        same_likeliest=int((near.argmax(axis=1) == far.argmax(axis=1)).sum()),
        local_seconds=local_seconds,
        served_seconds=served_seconds,
        setting=recorded(args),
        environment=environment_snapshot(),
    )


def main(args: Args) -> None:
    """Measure, tell, write."""
    found = compare(args)
    found.save(args.output)
    make_console().print(
        f"{found.prompts} prompts, {found.precision}: chances differ by {found.largest_chance:.2g} at most and "
        f"{found.mean_chance:.2g} on average, log probabilities by {found.largest_log:.2g}; the likeliest answer is "
        f"the same in {found.same_likeliest}"
    )


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
