"""A trained population on disk: base weights, adapters, tokenizer, personas and a manifest; safetensors and JSON only.

bundle/
  manifest.json     how it was made, on which rows, with which metrics
  personas.json     names, centroids and assignment
  profiles.json     what a chat model wrote of the users; absent without one
  reasons.jsonl     what a chat model wrote of why users rated as they did; absent without one
  blend.safetensors weights of the evidence, where users recall it
  base/             as `transformers` saves a causal LM and its tokenizer; of a base that is named (`named_bases`) its
                    name and hash, its tokenizer, and the embeddings of what was added to it
  adapters/NAME/    as `peft` saves an adapter, one folder each
"""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.bundle.border import check_links, check_personas
from personagym_agents.bundle.linking import linked_users
from personagym_agents.bundle.manifest import Manifest, base_for, bundle_hash, read_manifest, save_manifest
from personagym_agents.classical.blend import Blend
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import ProfileWriter, StatisticalProfileWriter
from personagym_agents.documents.told import Told, fit_told
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.inference.styles import styles_of
from personagym_agents.llm.profile_store import ProfileStore
from personagym_agents.llm.reasons import ReasonStore
from personagym_agents.llm.writer import LLMProfileWriter
from personagym_agents.memory.cross_fitted import make_memory
from personagym_agents.memory.evidence import Memory
from personagym_agents.memory.settings import Recall
from personagym_agents.model.adapter_file import read_adapter, read_token_rows
from personagym_agents.model.adapters import AdapterGate, Factors, mix_adapters, mix_tokens
from personagym_agents.model.added_rows import save_added_rows
from personagym_agents.model.causal_lm import chosen_device, load_base, place_on
from personagym_agents.model.named_bases import BaseSource, save_source, source_folder
from personagym_agents.model.quiet import quietly
from personagym_agents.personas.clustering import Personas
from personagym_agents.personas.settings import Groups
from personagym_agents.training.tail import tail_rows
from personagym_env.data.tables import Dataset, IntArray, Interactions
from personagym_env.data.traits import user_traits
from personagym_env.protocols import UserFingerprint

if TYPE_CHECKING:
    from peft import PeftModel

_PROFILES = "profiles.json"
REASONS = "reasons.jsonl"
"""What a chat model wrote of why users rated as they did."""
_BLEND = "blend.safetensors"


def adapter_names(kind: Groups, groups: IntArray) -> list[str]:
    """Folder and `peft` name of each group's adapter: `persona-0`, `persona-1`, ..."""
    return [f"{kind}-{number}" for number in range(int(groups.max(initial=-1)) + 1)]


def save_base(
    made: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: BaseSource | None = None
) -> None:
    """Write the base into the folder of a bundle, before adapters change the model's layers.

    Weights are stored in half precision, which halves the bundle. Those of a base that is named stay where they are:
    the bundle says which they are, and holds what was added.
    """
    place = made / "base"
    tokenizer.save_pretrained(place)
    if source is None:
        with quietly():
            model.save_pretrained(place, state_dict=_halved(model.state_dict()))
        return
    save_source(place, source)
    first = len(AutoTokenizer.from_pretrained(source_folder(source)))
    if first < len(tokenizer):
        save_added_rows(place, model, first, len(tokenizer))


def _halved(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In half precision; tensors that share memory, as tied embeddings do, still share it and are stored once."""
    halves = {
        value.data_ptr(): value if value.dtype == torch.bfloat16 else value.half()
        for value in state.values()
        if value.is_floating_point()
    }
    return {name: halves.get(value.data_ptr(), value) for name, value in state.items()}


def save_adapter(made: Path, adapted: "PeftModel") -> None:
    """Write a model's adapter into the folder of a bundle."""
    adapted.save_pretrained(
        str(made / "adapters"), state_dict=_halved(adapted.state_dict()), save_embedding_layers=False
    )
    (made / "adapters" / "README.md").unlink(missing_ok=True)  # an empty form that `peft` leaves


def save_population(
    made: Path, personas: Personas, book: ProfileStore | None, memory: Memory | None, manifest: Manifest
) -> None:
    """Write all that a bundle says about its users."""
    if memory is not None and memory.evidence is not None:
        memory.evidence.blend.save(made / _BLEND)
    if book is not None:
        book.save(made / _PROFILES)
    (made / "personas.json").write_text(personas.to_json() + "\n", encoding="utf-8")
    save_manifest(made, manifest)


def profile_writer(book: ProfileStore | None, train: Interactions, *, taste: bool = True) -> ProfileWriter:
    """The statistical writer, with taste or without, followed by what a chat model wrote if there is a book of that.

    Raises:
        ValueError: the book is about other rows.
    """
    statistical = StatisticalProfileWriter(taste=taste)
    return statistical if book is None else LLMProfileWriter(book, train, statistical)


def profile_texts(book: ProfileStore | None, train: Interactions, dataset: Dataset) -> list[str]:
    """(u,) the profile that personas can be made of: a chat model's if there is a book, else the statistical one.

    Raises:
        ValueError: the book is about other rows.
    """
    if book is not None:
        book.require(train)
        return ["" if profile is None else profile.text() for profile in book.whole]
    traits = user_traits(train, dataset.catalogue)
    return StatisticalProfileWriter().write(np.arange(train.n_users), traits, dataset.catalogue, dataset.users)


def bundle_users(
    place: Path | None, dataset: Dataset, train: Interactions, *, adapters: bool = True, device: str | None = None
) -> LanguageUserAgent | LinkedUsers:
    """The users of a bundle, who answer on the scale of the log; see `load_bundle_agent`.

    Answers in levels that are the log's ratings stand as they are where the base has learned to give them to this log.
    """
    place = place or base_for(train)
    agent = load_bundle_agent(place, dataset, train, adapters=adapters, device=device)
    told = agent.corpus.told
    manifest = read_manifest(place)
    if told is None or _answers_directly(manifest, told, train):
        return agent

    assert agent.fingerprint is not None
    knowing = partial(_knowing, agent, dataset)
    untaught = tail_rows(train, manifest.settings.adapters.tail) if adapters else None
    return linked_users(agent, knowing, train, name=agent.name, fingerprint=agent.fingerprint, untaught=untaught)


def _answers_directly(manifest: Manifest, told: Told, train: Interactions) -> bool:
    """Whether levels are the log's ratings, and the base has learned to give them to this log."""
    return told.exact and train.fingerprint() in {log.fingerprint for log in manifest.logs}


def _knowing(agent: LanguageUserAgent, dataset: Dataset, rows: Interactions) -> LanguageUserAgent:
    """The users of a bundle if these were the rows that they know."""
    known, population = agent.corpus, agent.population
    memory = make_memory(dataset.catalogue, rows, Recall(evidence=known.recalls_evidence), blend=known.blend)
    corpus = Corpus.build(dataset, rows, known.tokenizer, memory=memory, told=known.told, titles=known.titles)
    return LanguageUserAgent(
        population.model,
        corpus,
        name=agent.name,
        gate=population.gate,
        adapter_of=None if population.gate is None else population.adapters,
        history_lines=agent.history_lines,
        writer=agent.writer,
        fingerprint=agent.fingerprint,
    )


def load_bundle_agent(
    place: Path | None,
    dataset: Dataset,
    train: Interactions,
    *,
    adapters: bool = True,
    device: str | None = None,
) -> LanguageUserAgent:
    """The users of a bundle, who answer in the levels that their base knows; `bundle_users` links them to the log.

    Args:
        place: folder of the bundle; None for the shipped one of these rows, or of ML-100K where there is none.
        dataset: texts of items and users.
        train: the rows that the bundle was trained on, which also are the users' histories.
        adapters: False leaves the adapters out, as a control.
        device: where the model runs, as `torch` names it; None takes a GPU if there is one. On a GPU the weights are
            bfloat16.

    Raises:
        ValueError: the bundle was trained on other rows, something in it is damaged or leads out of it, or there is no
            such device.
    """
    chosen = chosen_device(device)
    place = place or base_for(train)
    manifest = read_manifest(place)
    if manifest.train_fingerprint != train.fingerprint():
        raise ValueError(
            f"the bundle at {place.name!r} was trained on other rows: its manifest has {manifest.dataset!r}, "
            f"{manifest.split}, fingerprint {manifest.train_fingerprint[:12]}, and the given training rows have "
            f"fingerprint {train.fingerprint()[:12]}; train a bundle on them with `personagym train`"
        )
    check_links(place)
    check_personas(place, read_personas(place), train.n_users)
    with quietly():
        model, tokenizer = load_base(place / "base")
    place_on(model, chosen)
    told = fit_told(train)
    rows = told.log(train)
    written = place / _PROFILES
    book = ProfileStore.load(written) if written.is_file() else None
    writer = profile_writer(book, train, taste=manifest.settings.taste)
    kind, groups = read_groups(place)
    adapted = adapters and kind != "none"
    weights = f"{bundle_hash(place)} {adapters} {next(model.parameters()).dtype}"
    memory = _memory(place, manifest, dataset, rows, train)
    in_style = bool(manifest.style) and _answers_directly(manifest, told, train)
    return LanguageUserAgent(
        model,
        Corpus.build(dataset, rows, tokenizer, memory=memory, told=told, titles=manifest.settings.titles),
        name=kind if adapted else "base",
        gate=mixed_adapters(model, place) if adapted else None,
        adapter_of=groups if adapted else None,
        history_lines=manifest.settings.history_lines,
        writer=writer,
        styles=styles_of(train, manifest.style) if in_style else None,
        fingerprint=UserFingerprint(train.fingerprint(), sha256(weights.encode()).hexdigest()),
    )


def _memory(
    place: Path, manifest: Manifest, dataset: Dataset, rows: Interactions, train: Interactions
) -> Memory | None:
    """What the users recall, of the training rows as they are told."""
    written = place / REASONS
    texts = ReasonStore.load(written, dataset).texts(train) if written.is_file() else None
    blend = Blend.load(place / _BLEND) if manifest.settings.recall.evidence else None
    return make_memory(dataset.catalogue, rows, manifest.settings.recall, texts, blend)


def read_personas(place: Path) -> Personas:
    """The personas of a bundle.

    Raises:
        ValueError: the file is missing or says something else.
    """
    path = place / "personas.json"
    try:
        return Personas.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} has no personas of a bundle: {error}") from error


def read_groups(place: Path) -> tuple[Groups, IntArray]:
    """Who shares an adapter in a bundle, and the number (u,) of each user's."""
    made_with = read_manifest(place).settings
    kind = made_with.adapters.groups
    return kind, read_personas(place).groups(kind, made_with.adapter_seed)


def mixed_adapters(model: PreTrainedModel, place: Path) -> AdapterGate:
    """Put the adapters of a bundle onto its base, with the embeddings that they have of their own."""
    gate = mix_adapters(model, read_adapters(model, place))
    rows = [read_token_rows(model, place / "adapters" / name) for name in adapter_names(*read_groups(place))]
    own = [some for some in rows if some is not None]
    if own:
        if len(own) < len(rows) or any(not torch.equal(some.ids, own[0].ids) for some in own):
            raise ValueError(f"the adapters of the bundle at {place} have embeddings of different tokens")
        mix_tokens(model, own, gate)
    return gate


def read_adapters(model: PreTrainedModel, place: Path) -> list[Factors]:
    """The adapters of a bundle, in the order of `read_groups`, as they go onto its base, which is left as it is."""
    return [read_adapter(model, place / "adapters" / name) for name in adapter_names(*read_groups(place))]
