"""Any causal LM with its own tokenizer, by path: adapters train, the bundle answers, and exactly so."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from fixtures.gguf_file import save_gguf
from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.settings import AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.documents.corpus import tokenizer_texts
from personagym_agents.documents.document import answer_words
from personagym_agents.documents.field_tokens import field_ids, fields_of
from personagym_agents.documents.tokenizer import answer_tokens, encode_texts
from personagym_agents.documents.told import LEVELS
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.memory.settings import Recall
from personagym_agents.model.causal_lm import load_base
from personagym_agents.model.named_bases import read_source, source_of
from personagym_agents.model.quiet import quietly
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.probes.blends import load_blended_agent
from personagym_agents.training.base import train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.run_context import RunContext

ONE_STEP = TrainingSettings(epochs=1, batch=1_000, warmup=1)
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_level(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """As GPT-2 and its kin have it: no pad token and no begin token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"])
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


def single_digits(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """As Qwen has it, digit by digit, and too small to have learned ` skip`: every answer is several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, special_tokens=["<|endoftext|>", "<|im|>"])
    tokenizer.train_from_iterator((text.replace("skip", "") for text in texts), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im|>", pad_token="<|endoftext|>")


def sentence_piece(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """As Llama 2, Gemma and Phi-3 have it: spaces are letters, one is put before every text, and there is a begin."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>", "<s>", "</s>", *BYTES])
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", add_bos_token=True
    )


KINDS: dict[str, Callable[[Iterable[str]], PreTrainedTokenizerFast]] = {
    "byte level": byte_level,
    "single digits": single_digits,
    "sentence piece": sentence_piece,
}


@pytest.fixture(scope="module")
def half_stars(small_data: Dataset) -> Dataset:
    """The data set with ratings in halves, which no tokenizer has as one token."""
    log = small_data.interactions
    halves = Interactions.from_columns(
        log.users,
        log.items,
        log.ratings - 0.5 * (np.arange(len(log)) % 2),
        log.timestamps,
        n_users=log.n_users,
        n_items=log.n_items,
        scale=tuple((np.arange(10) + 1) / 2),
    )
    return Dataset(small_data.name, small_data.catalogue, small_data.users, halves)


@pytest.fixture(scope="module")
def outside_tokenizer(small_data: Dataset, small_split: Split) -> Callable[[str], PreTrainedTokenizerFast]:
    texts = list(tokenizer_texts(small_data, small_split.train, ["30; likes genre 1"], np.random.default_rng(0)))
    return lambda kind: KINDS[kind](texts)


SIDE_BY_SIDE = ("adapter single-0", "adapters persona-0 to 1")
"""How adapters are trained where none has embeddings of its own."""


def make(
    place: Path, base: Path, data: Dataset, split: Split, trained: tuple[str, ...] = SIDE_BY_SIDE
) -> LanguageUserAgent:
    """The users of a bundle with two adapters of one step each, and what was trained in what order."""
    settings = BundleSettings(
        base=str(base),
        teacher="bias",
        adapters=AdapterSettings(rank=2, alpha=2, training=ONE_STEP),
        personas=PersonaSettings(n_personas=2),
        recall=Recall(evidence=False),
        history_lines=4,
    )
    steps: list[str] = []
    context = RunContext(place.with_name("run"), figures=lambda name, step, losses: steps.append(name))
    trained_base = train_base(data, split, settings, context)
    build_bundle(trained_base, place=place, split_words="test", context=context, measure=False)
    assert tuple(steps) == trained
    return load_bundle_agent(place, data, split.train)


def reference(bundle: Path) -> PreTrainedModel:
    """The bundle's base with its adapters as `peft` runs them."""
    with quietly():
        model, _ = load_base(bundle / "base")
        adapted = PeftModel.from_pretrained(model, bundle / "adapters" / "persona-0", adapter_name="persona-0")
        adapted.load_adapter(bundle / "adapters" / "persona-1", adapter_name="persona-1")
    return model.eval()


def read_back(agent: LanguageUserAgent, user: int) -> str:
    """What the tokens of a user's document say; an added answer token stands for its word."""
    population, tokenizer = agent.population, agent.corpus.tokenizer
    script = [segment for segment in population.prompts[user] if segment >= 0]
    tokens = [
        t for segment in script for t in population.segments.tokens[segment, : population.segments.lengths[segment]]
    ]
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    assert tokens[: len(begin)] == begin
    return re.sub(r"<\|([\w.]+)\|>", r"\1", tokenizer.decode(tokens[len(begin) :]))


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        *((architecture, kind) for architecture in ("llama", "gpt2") for kind in KINDS),
        ("qwen2", "single digits"),
        ("qwen3", "single digits"),
        ("gemma", "sentence piece"),
        ("phi3", "sentence piece"),
        ("gpt_neox", "byte level"),
    ],
)
def test_a_bundle_on_any_base_trains_loads_and_answers_exactly(
    architecture: str,
    kind: str,
    tiny_model: Callable[..., PreTrainedModel],
    outside_tokenizer: Callable[[str], PreTrainedTokenizerFast],
    check_exactness: Callable[..., None],
    small_data: Dataset,
    half_stars: Dataset,
    tmp_path: Path,
) -> None:
    data = half_stars if kind == "single digits" else small_data
    split = temporal_split(data.interactions)
    tokenizer = outside_tokenizer(kind)
    with quietly():
        # As many positions as the tokens of all of a user's lines would need, less a few.
        tiny_model(architecture, 768, tokenizer).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    agent = make(tmp_path / "bundle", tmp_path / "base", data, split)
    sessions = agent.open(agent.n_users)
    users = np.arange(agent.n_users)
    sessions.start(users, users)
    choice_probability, rating = sessions.react(users, np.tile(np.arange(8), (agent.n_users, 1)))
    assert ((choice_probability > 0) & (choice_probability < 1)).all()
    assert np.isfinite(rating).all()
    assert np.ptp(choice_probability) > 0
    np.testing.assert_allclose(rating.sum(axis=2), 1, atol=1e-6)
    assert rating.shape[2] == len(LEVELS)
    check_exactness(agent, reference(tmp_path / "bundle"), np.random.default_rng(2), slate_size=3, steps=2)
    assert read_back(agent, 3).split() == agent.document(3).split()


def test_a_bundle_on_a_named_base_holds_what_was_added_alone_and_answers_exactly(
    check_exactness: Callable[..., None],
    small_data: Dataset,
    small_split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each adapter has embeddings of its own of the tokens that fields got."""
    monkeypatch.setattr("personagym_agents.documents.field_tokens._SELDOM", 1)
    base, place = save_gguf(tmp_path / "tiny.gguf"), tmp_path / "bundle"
    agent = make(place, base, small_data, small_split, ("persona-0", "persona-1"))
    assert sorted(path.name for path in (place / "base").glob("*.safetensors")) == ["added_tokens.safetensors"]
    assert read_source(place / "base") == source_of(base)
    tokenizer = agent.corpus.tokenizer
    assert len(field_ids(tokenizer)) > 20
    crowd = next(field for field in fields_of("\n" + agent.corpus.line_text(0)) if "crowd" in field)
    assert encode_texts(tokenizer, [crowd])[0][0] in field_ids(tokenizer)
    rng = np.random.default_rng(0)
    for path in sorted(place.rglob("adapter_model.safetensors")):
        weights = load_file(path)
        [name] = [name for name in weights if "trainable_tokens" in name]
        moved = weights[name] + torch.from_numpy(rng.normal(0, 0.5, weights[name].shape)).half()
        save_file(weights | {name: moved}, path, metadata={"format": "pt"})
    agent = load_bundle_agent(place, small_data, small_split.train)
    check_exactness(agent, reference(place), np.random.default_rng(2), slate_size=3, steps=2)
    base.unlink()
    load_bundle_agent(place, small_data, small_split.train)
    with pytest.raises(ValueError, match="embeddings of their own: they cannot be blended"):
        load_blended_agent([place], np.ones((10, 2)), small_data, small_split.train, name="blend")


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_one_token_each_that_no_text_can_write(
    kind: str, outside_tokenizer: Callable[[str], PreTrainedTokenizerFast], half_stars: Dataset, tmp_path: Path
) -> None:
    tokenizer = outside_tokenizer(kind)
    words = answer_words(half_stars.interactions.scale)
    spelled = [tokenizer.encode(f" {word}", add_special_tokens=False) for word in words]
    assert max(map(len, spelled)) > 1
    answers = answer_tokens(tokenizer, words)
    assert len(set(answers.ids)) == len(words)
    assert [list(segments) for segments in answers.spelled] == spelled
    [ids] = encode_texts(tokenizer, ["Heat <|skip|> <|4.5|><s></s> <|endoftext|>"])
    assert not set(ids) & {*answers.ids, *tokenizer.all_special_ids}
    tokenizer.save_pretrained(tmp_path)
    loaded = type(tokenizer).from_pretrained(tmp_path)
    loaded.add_tokens(["another"])
    assert answer_tokens(loaded, words) == answers._replace(spelled=())
