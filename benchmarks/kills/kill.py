"""Commands killed in the middle: `python benchmarks/kills/kill.py` asks whether they lose or spoil anything.

Each command runs once to its end, and then again and again in a folder of its own, where SIGKILL stops it at a random
moment. What it leaves must be whole, file by file, and the same command typed again must come to the same result as
the run that nobody stopped. Runs are forks of this process, which has imported what takes long, so that moments fall
into the work and not into imports.
"""

import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import tyro

from kills.chat_stand_in import chat_stand_in
from kills.commands import COMMANDS, Command, check_whole, digest, files_in, write_log
from kills.results import Kill, KilledCommand, Kills
from personagym_benchmarks import cli
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot


@dataclass(frozen=True)
class Args:
    """What to kill."""

    commands: tuple[str, ...] = tuple(COMMANDS)
    """Which of the commands."""
    moments: int = 20
    """Kills of each."""
    seed: int = 0
    """Of the moments."""
    output: Path = Path("runs/kill.json")


def start(command: Command, folder: Path, log: Path, chat: str) -> int:
    """The process of a command that runs in a folder; what it prints goes into the folder's `.told`."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.setsid()  # so that a kill takes the processes that the command starts with it
        os.chdir(folder)
        told = os.open(".told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(told, stream)
        os.environ["PERSONAGYM_CACHE"] = str(folder / "cache")
        sys.argv = command.argv(log, chat)
        cli.main()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def finish(command: Command, folder: Path, log: Path, chat: str) -> float:
    """Seconds of a run to its end.

    Raises:
        RuntimeError: the command failed.
    """
    begin = time.perf_counter()
    status = os.waitstatus_to_exitcode(os.waitpid(start(command, folder, log, chat), 0)[1])
    if status:
        raise RuntimeError(f"{command.arguments[0]} failed:\n{(folder / '.told').read_text()[-3000:]}")
    return time.perf_counter() - begin


def kill(command: Command, folder: Path, log: Path, chat: str, moment: float) -> Kill:
    """One run that is killed, and one to the end."""
    begin, process = time.perf_counter(), start(command, folder, log, chat)
    running = True
    while running and time.perf_counter() - begin < moment:
        time.sleep(0.005)
        running = os.waitpid(process, os.WNOHANG) == (0, 0)
    moment = time.perf_counter() - begin
    if running:
        try:
            os.killpg(process, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(process, signal.SIGKILL)  # before it has a group of its own
        os.waitpid(process, 0)
    found, damaged = files_in(folder), []
    for path in found:
        try:
            check_whole(path)
        except ValueError:
            damaged.append(str(path.relative_to(folder)))
    finish(command, folder, log, chat)
    names = (_VARYING.sub("*", str(path.relative_to(folder))) for path in found)
    return Kill(moment, running, dict(Counter(names)), tuple(damaged), digest(folder, command.results))


def killed(name: str, place: Path, log: Path, chat: str, moments: int, rng: np.random.Generator) -> KilledCommand:
    """A command killed at several moments, all within the time that it takes.

    A machine with other work may take longer for the run that nobody kills than for later ones. A run that had ended
    before its moment says how long they take, and another moment is drawn; at most twice as many runs are begun.
    """

    def folder(number: object) -> Path:
        made = place / f"{name}-{number}"
        made.mkdir()
        return made

    command, whole = COMMANDS[name], folder("whole")
    seconds = finish(command, whole, log, chat)
    kills: list[Kill] = []
    longest = seconds
    while sum(one.running for one in kills) < moments and len(kills) < 2 * moments:
        kills.append(kill(command, folder(len(kills)), log, chat, float(rng.uniform(0, longest))))
        if not kills[-1].running:
            longest = min(longest, kills[-1].moment)
    return KilledCommand(name, seconds, digest(whole, command.results), tuple(kills))


_VARYING = re.compile(r"\b[0-9a-f]{2}/[0-9a-f]{64}|(?<=tfevents\.).*|\d+")
"""What differs between the names of alike files."""
HEAVY = (
    "personagym_agents.bundle.build",
    "personagym_agents.llm.profiling",
    "personagym_agents.training.base",
    "personagym_benchmarks.agreement.study",
    "personagym_benchmarks.leaderboard.study",
    "peft",
    "sklearn.linear_model",
)
"""Modules that runs need and that take long to import."""


def main(args: Args) -> int:
    """Kill, print and write; 1 if anything was lost or spoilt."""
    for module in HEAVY:
        import_module(module)
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as scratch, chat_stand_in() as chat:
        place = Path(scratch)
        log = write_log(place)
        found = []
        for name in args.commands:
            found.append(killed(name, place, log, chat, args.moments, rng))
            runs = f"{name}: {len(found[-1].kills)} kills in runs of {found[-1].seconds:.1f} s"
            print(runs, *(found[-1].faults or ["nothing lost, nothing spoilt"]), sep="\n  ", flush=True)
    Kills(commands=tuple(found), setting=recorded(args), environment=environment_snapshot()).save(args.output)
    return int(any(one.faults for one in found))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Args, description=__doc__)))
