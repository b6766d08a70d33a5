"""The whole way from training rows to profiles on disk: reflect, check, write."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from personagym_agents.llm.answer_cache import AnswerCache, CachedChat
from personagym_agents.llm.batches import NO_FOLD, batch_folds
from personagym_agents.llm.chat import ChatModel, Prices
from personagym_agents.llm.claims import ClaimReader
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.evaluator import Evaluator
from personagym_agents.llm.evidence import Evidence, decades_of
from personagym_agents.llm.profile_store import Profile, ProfileStore
from personagym_agents.llm.reflection import Reflection, ReflectionSettings, Version
from personagym_env.data.tables import BoolArray, Dataset, Interactions
from personagym_env.data.traits import crowd_statistics
from personagym_env.run_context import RunContext


def profile_users(
    dataset: Dataset,
    train: Interactions,
    chat: ChatModel,
    settings: ReflectionSettings,
    *,
    place: Path,
    prices: Prices | None,
    context: RunContext,
    users: BoolArray | None = None,
) -> ProfileStore:
    """Let a chat model write the profiles of users, check them and write them to disk.

    Args:
        dataset: texts of items.
        train: rows that the profiles may know.
        chat: writes.
        settings: how.
        place: file of the profiles.
        prices: of the chat model, for the report; None if it costs nothing.
        context: keeps the answers, from which a run that was cut off goes on; is told what was asked, what it cost
            and what was thrown out.
        users: (u,) whose profiles are written; None for those of all.

    Raises:
        ChatError: the chat model cannot be asked; what it answered is in the cache.
    """
    counts: Counter[str] = Counter()
    cached = CachedChat(chat, AnswerCache(context.folder))
    try:
        drafts = Reflection(cached, settings, counts, context).drafts(train, dataset.catalogue, users)
    finally:
        context.tell(f"asked: {cached.asked.report(prices)}")
        context.tell(f"known from earlier runs: {cached.known.report(prices)}")
    crowd = crowd_statistics(train)
    reader = ClaimReader(dataset.catalogue.genre_names, decades_of(dataset.catalogue))
    evaluator = Evaluator(reader, counts, free_text=settings.free_text)
    fold_of = batch_folds(train, settings.folds)

    def check(fold: int) -> tuple[Profile | None, ...]:
        evidence = Evidence.of(train.take(fold_of != fold), dataset.catalogue, crowd)
        found = (drafts.get(Version(user, fold)) for user in range(train.n_users))
        return tuple(
            None if draft is None else evaluator.check(draft, evidence, user) for user, draft in enumerate(found)
        )

    book = ProfileStore(
        train_fingerprint=train.fingerprint(),
        whole=check(NO_FOLD),
        left_out=tuple(check(fold) for fold in range(settings.folds)),
        counts=dict(sorted(counts.items())),
        made={"chat": dict(chat.identity), "settings": asdict(settings)},
    )
    book.save(place)
    context.tell(f"{book!r}: {', '.join(f'{name} {count}' for name, count in book.counts.items())}")
    return book


@contextmanager
def open_chat(
    model: str,
    *,
    base_url: str | None,
    key_variable: str | None = None,
    concurrency: int = 8,
    forms: bool = False,
) -> Iterator[ChatModel]:
    """A chat model by name.

    Args:
        model: a local model by name or path; with a base URL, the server's name of it.
        base_url: of a server that speaks OpenAI's protocol; None runs the model here.
        key_variable: environment variable that holds the server's key; None sends none.
        concurrency: requests under way at a time.
        forms: whether the server is told the forms of answers; a model that runs here is held to them anyhow.

    Raises:
        ValueError: an option is out of range, the key is not set, or the local model is no chat model.
    """
    if base_url is None:
        # Here, because it imports torch, which a served model does not need.
        from personagym_agents.llm.local import LocalChat, LocalSettings

        yield LocalChat.load(model, LocalSettings())
        return
    settings = EndpointSettings(base_url, model, key_variable=key_variable, concurrency=concurrency, forms=forms)
    with EndpointChat(settings) as chat:
        yield chat
