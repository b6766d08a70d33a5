"""Users for any log, ready at once: the base of a shipped bundle, which has never read it, and a memory fitted on it.

Nothing is trained. The log is told on the base's scale, what users recall is fitted on the training rows, and the
answers are linked to the log's own scale by what users of an earlier part of the training rows say of a later one.
"""

from functools import partial
from hashlib import sha256
from pathlib import Path

from personagym_agents.bundle.linking import linked_users
from personagym_agents.bundle.manifest import base_for, bundle_hash, may_have_read, read_manifest
from personagym_agents.classical.blend import Blend
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.told import fit_told
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.memory.cross_fitted import make_memory
from personagym_agents.memory.settings import Recall
from personagym_agents.model.causal_lm import chosen_device, load_base, place_on
from personagym_agents.model.quiet import quietly
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import UserFingerprint

NAME = "zero-shot"
FIT_VERSION = 6
"""Raised with every change of what is fitted to a log that moves answers by more than rounding."""


def zero_shot_users(
    dataset: Dataset, train: Interactions, *, place: Path | None = None, device: str | None = None
) -> LinkedUsers:
    """Users of a log that no base has read.

    Args:
        dataset: texts of items and users.
        train: rows that the users may know.
        place: folder of the bundle whose base reads; None for the shipped one of these rows, else the first.
        device: where the model runs, as `torch` names it; None takes a GPU if there is one.

    Raises:
        ValueError: there are no rows, the base may have read rows that are held out here, or there is no such device.
    """
    chosen = chosen_device(device)
    if may_have_read(train, place):
        raise ValueError(
            f"the {'shipped bases have' if place is None else f'base of {place.name!r} has'} read other rows of "
            f"{dataset.name!r} than these training rows, and those may be held out here: train a base on these rows "
            "with `personagym train --base small`"
        )
    place = place or base_for(train)
    settings = read_manifest(place).settings
    with quietly():
        model, tokenizer = load_base(place / "base")
    place_on(model, chosen)
    weights = sha256(f"{NAME} {FIT_VERSION} {bundle_hash(place)} {next(model.parameters()).dtype}".encode()).hexdigest()

    told = fit_told(train)

    def knowing(rows: Interactions, blend: Blend | None = None) -> LanguageUserAgent:
        memory = make_memory(dataset.catalogue, rows, Recall(evidence=settings.recall.evidence), blend=blend)
        corpus = Corpus.build(dataset, rows, tokenizer, memory=memory, told=told)
        return LanguageUserAgent(model, corpus, name=NAME, history_lines=settings.history_lines)

    fingerprint = UserFingerprint(train.fingerprint(), weights)
    users = knowing(told.log(train))
    knowing_less = partial(knowing, blend=users.corpus.blend)
    return linked_users(users, knowing_less, train, name=NAME, fingerprint=fingerprint)
