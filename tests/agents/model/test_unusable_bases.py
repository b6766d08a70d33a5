"""What is no causal language model with a tokenizer is refused by name, before anything is trained on it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Config,
    T5ForConditionalGeneration,
)

from personagym_agents.bundle.settings import BundleSettings
from personagym_agents.model import hub
from personagym_agents.model.causal_lm import load_base
from personagym_agents.model.quiet import quietly
from personagym_agents.training.base import train_base
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext

SIZES = {"vocab_size": 300, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16}


@pytest.fixture(scope="module")
def good(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Callable[..., PreTrainedModel],
    small_tokenizer: PreTrainedTokenizerBase,
) -> Path:
    """Folder of a base that can be used."""
    place = tmp_path_factory.mktemp("base") / "good"
    with quietly():
        tiny_model("llama").save_pretrained(place)
    small_tokenizer.save_pretrained(place)
    return place


TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
WEIGHTS = "model.safetensors"
Spoil = Callable[[Path], object]


def without(*names: str) -> Spoil:
    return lambda place: [(place / name).unlink() for name in names]


def with_content(name: str, content: bytes) -> Spoil:
    return lambda place: (place / name).write_bytes(content)


def with_config(**changes: object) -> Spoil:
    def change(place: Path) -> None:
        path = place / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def with_model(kind: type[PreTrainedModel], config: PretrainedConfig, *, tokenizer: bool = True) -> Spoil:
    def replace(place: Path) -> None:
        without(WEIGHTS, *([] if tokenizer else TOKENIZER))(place)
        with quietly():
            kind(config).save_pretrained(place)

    return replace


def pickled(place: Path) -> None:
    (place / WEIGHTS).unlink()
    torch.save({}, place / "pytorch_model.bin")


def emptied(place: Path) -> None:
    shutil.rmtree(place)
    place.mkdir()


FAULTS: dict[str, Spoil] = {
    "an empty folder": emptied,
    "no tokenizer": without(*TOKENIZER),
    "no tokenizer.json": without("tokenizer.json"),
    "a tokenizer that is no JSON": with_content("tokenizer.json", b"{"),
    "an empty tokenizer": with_content("tokenizer.json", b"{}"),
    "a tokenizer that is something else": with_content("tokenizer.json", b"[1, 2]"),
    "no weights": without(WEIGHTS),
    "pickled weights alone": pickled,
    "cut weights": with_content(WEIGHTS, b"\x00" * 20),
    "empty weights": with_content(WEIGHTS, b""),
    "weights that are text": with_content(WEIGHTS, b"not weights at all"),
    "no configuration": without("config.json"),
    "a configuration that is no JSON": with_content("config.json", b"{"),
    "an empty configuration": with_content("config.json", b"{}"),
    "an unknown architecture": with_config(model_type="nobody"),
    "more layers than weights": with_config(num_hidden_layers=5),
    "an encoder and a decoder": with_model(
        T5ForConditionalGeneration, T5Config(vocab_size=300, d_model=16, d_ff=16, num_layers=1, num_heads=2)
    ),
    "an encoder": with_model(BertModel, BertConfig(intermediate_size=16, **SIZES)),
    "a model of a smaller vocabulary": with_model(
        LlamaForCausalLM, LlamaConfig(intermediate_size=16, **SIZES | {"vocab_size": 40})
    ),
    # GPT-2's tokenizer is made without any file, and then writes every text as nothing.
    "a tokenizer of nothing": with_model(
        GPT2LMHeadModel, GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2), tokenizer=False
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_base_is_refused_by_name(
    fault: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place = tmp_path / "base"
    shutil.copytree(good, place)
    FAULTS[fault](place)
    with pytest.raises(ValueError, match=r"base '.*base': expected a causal language model .* and its tokenizer, got"):
        load_base(place)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nosuchmodel", "OfflineModeIsEnabled"),
        ("no such model", "HFValidationError"),
        ("/nothing/there", "HFValidationError"),
    ],
)
def test_a_base_that_nobody_knows_is_refused_at_once(name: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=f"base '{name}': expected 'smollm2', a folder .* hub came {what}") as error:
        load_base(name)
    assert "\n" not in str(error.value)


def test_a_base_that_an_earlier_run_kept_needs_no_hub(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda name, file: str(good / file))
    assert hub.is_here("an/other")


def test_a_good_base_is_loaded(good: Path) -> None:
    model, tokenizer = load_base(good)
    assert model.config.vocab_size == len(tokenizer)


def test_the_base_is_loaded_before_anything_else(
    small_data: Dataset, small_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_agents.training.base.fit_personas", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(ValueError, match="expected a causal language model"):
        train_base(small_data, small_split, BundleSettings(base=str(tmp_path)), RunContext(tmp_path))
