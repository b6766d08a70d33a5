"""One process from nothing to the first observation; `cold_start.py` starts it, and it prints what each part took.

Nothing but the standard library is imported before the clock runs.
"""

import json
import sys
import time
from importlib import import_module
from itertools import pairwise

FITS_ALONE = ("sklearn", "peft", "scipy.stats", "matplotlib", "httpx")
"""What users whose fits were kept do without."""


def main(dataset: str, users: str, *libraries: str) -> None:
    """Import, make and reset, in processor seconds."""
    times = [time.process_time()]
    import_module("personagym_env")
    times.append(time.process_time())
    for library in libraries:
        import_module(library)
    times.append(time.process_time())
    import gymnasium as gym

    gym.make("PersonaRec-v0", dataset=dataset, agent=users).reset(seed=0)
    times.append(time.process_time())
    seconds = [end - begin for begin, end in pairwise(times)]
    print(json.dumps({"seconds": seconds, "modules": [name for name in FITS_ALONE if name in sys.modules]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
