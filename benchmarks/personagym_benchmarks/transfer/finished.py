"""Logs that are finished stay finished: a study that was cut off goes on with the next one."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from personagym_agents.bundle.manifest import MANIFEST, bundle_hash
from personagym_benchmarks.transfer.board import Transfer
from personagym_benchmarks.transfer.populations import DATASET, NamedUsers
from personagym_benchmarks.transfer.settings import TransferSettings
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.snapshot import environment_snapshot

KEY = "key"
"""What a finished log's `setting` is compared by."""


def key_of(args: TransferSettings, dataset: Dataset, users: Sequence[NamedUsers]) -> str:
    """Of all that decides what is found on a log: settings, data, weights of bundles, and versions."""
    places = [users.at(dataset.name) for users in users if users.is_bundle]
    if args.zero_shot_base is not None:
        places.append(args.zero_shot_base.replace(DATASET, dataset.name))
    weights = [bundle_hash(Path(place)) for place in places if (Path(place) / MANIFEST).is_file()]
    settings = asdict(replace(args, datasets=("any",), resume=True))
    told = [settings, dataset.fingerprint(), places, weights, environment_snapshot()]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def file_of(folder: Path, key: str) -> Path:
    """Where a finished log is kept."""
    return folder / "transfer" / f"{key[:16]}.json"


def read_finished(folder: Path, key: str) -> Transfer | None:
    """What a run before this one found on a log; None if none finished it, or the file is no such result."""
    try:
        found = Transfer.load(file_of(folder, key))
    except (OSError, ValueError):
        return None
    return found if found.setting.get(KEY) == key else None
