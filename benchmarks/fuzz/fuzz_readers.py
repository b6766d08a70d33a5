"""Coverage-guided fuzzing of readers, after `pip install atheris`: `python benchmarks/fuzz/fuzz_readers.py`.

Each reader is fuzzed in a process of its own, from the inputs of `targets`. What ends it other than by a documented
error, takes more than ten seconds or two gigabytes is a fault, whose input libFuzzer leaves in the folder of findings.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import atheris
import tyro

with atheris.instrument_imports(include=["personagym_env", "personagym_agents"]):
    from fuzz.targets import Target, refused, targets
    from personagym_env.logs.collect import collect
    from personagym_env.world import make_world
    from personagym_recommenders import MostPopular
    from personagym_recommenders.stochastic.plackett_luce import PlackettLuce


@dataclass(frozen=True)
class Args:
    """What to fuzz, and how long."""

    seconds: int = 60
    """For each reader."""
    only: str = ""
    """Readers whose name has this in it."""
    findings: Path = Path("runs/fuzz")


def fuzz(target: Target, folder: Path, args: Args) -> int:
    """The exit status of a process that fuzzes one reader."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    (corpus / "seed").write_bytes(target.seed)
    process = os.fork()
    if not process:
        options = [f"-max_total_time={args.seconds}", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0"]
        options += [f"-artifact_prefix={args.findings.absolute()}/{target.name.replace('/', '-')}-", str(corpus)]
        atheris.Setup([sys.argv[0], *options], lambda data: refused(target, data))
        atheris.Fuzz()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def small_log(place: Path) -> Path:
    """A log of few decisions."""
    world = make_world("ml-100k", "bias")
    policy = PlackettLuce(MostPopular(), candidates=20).fit(world.train, world.dataset.catalogue)
    collect(policy, world, place, episodes=4, policy_fingerprint="", slate_size=3, max_episode_steps=3, rows=4)
    return place


def main(args: Args) -> int:
    """Fuzz one reader after the other; 1 if any failed."""
    args.findings.mkdir(parents=True, exist_ok=True)
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, target in enumerate(targets(Path(scratch) / "files", small_log(Path(scratch) / "log"))):
            if args.only in target.name:
                status = fuzz(target, Path(scratch) / str(number), args)
                print(f"{target.name}: {'no fault' if not status else f'a fault, see {args.findings}'}", flush=True)
                failed += [target.name] if status else []
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Args, description=__doc__)))
