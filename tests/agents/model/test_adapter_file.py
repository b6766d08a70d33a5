"""Adapters read from their files: as `peft` reads them, and refused where they are no plain LoRA of the base."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn

from personagym_agents.bundle.manifest import BUNDLED
from personagym_agents.model.adapter_file import read_adapter
from personagym_agents.model.adapters import adapter_factors
from personagym_agents.model.causal_lm import load_base
from personagym_agents.model.quiet import quietly

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@pytest.fixture(scope="module")
def model() -> nn.Module:
    with quietly():
        return load_base(BUNDLED / "base")[0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of a shipped adapter."""
    return shutil.copytree(BUNDLED / "adapters" / "persona-0", tmp_path / "persona-0")


def change_config(place: Path, **changes: object) -> None:
    config = json.loads((place / CONFIG).read_text())
    (place / CONFIG).write_text(json.dumps(config | changes))


def test_it_reads_what_peft_reads(model: nn.Module, place: Path) -> None:
    found = read_adapter(model, place)
    with quietly():
        adapted = PeftModel.from_pretrained(model, place, adapter_name="one")  # type: ignore[arg-type]
    expected = adapter_factors(model, "one")
    adapted.unload()  # type: ignore[operator]
    assert found.keys() == expected.keys()
    for layer in expected:
        assert torch.equal(found[layer].down, expected[layer].down)
        assert torch.equal(found[layer].up, expected[layer].up)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"use_dora": True}, "no plain LoRA: its adapter_config.json has {'use_dora': True}"),
        ({"rank_pattern": {"q_proj": 4}}, "no plain LoRA"),
        ({"bias": "all"}, "no plain LoRA"),
        ({"peft_type": "IA3"}, "no plain LoRA"),
        ({"r": 0}, "no plain LoRA"),
        ({"r": "many"}, "has no adapter_config.json that can be read"),
        ({"lora_alpha": None}, "has no adapter_config.json that can be read"),
    ],
)
def test_other_kinds_are_refused(model: nn.Module, place: Path, changes: dict[str, object], told: str) -> None:
    change_config(place, **changes)
    with pytest.raises(ValueError, match=told):
        read_adapter(model, place)


def test_damaged_and_missing_files_are_refused(model: nn.Module, place: Path) -> None:
    weights = (place / WEIGHTS).read_bytes()
    (place / WEIGHTS).write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match=r"has no adapter_model.safetensors that can be read"):
        read_adapter(model, place)
    (place / CONFIG).write_text("[]")
    with pytest.raises(ValueError, match=r"has no adapter_config.json that can be read"):
        read_adapter(model, place)
    (place / CONFIG).unlink()
    with pytest.raises(ValueError, match=r"has no adapter_config.json that can be read"):
        read_adapter(model, place)


def test_factors_of_another_base_are_refused(model: nn.Module, place: Path) -> None:
    weights = load_file(place / WEIGHTS)
    first = next(name for name in weights if name.endswith("lora_A.weight"))
    for changed, told in (
        ({first: weights[first][:, :-1].contiguous()}, "it belongs to another base"),
        ({first: weights[first][:-1].contiguous()}, "it belongs to another base"),
        ({"base_model.model.head.lora_A.weight": weights[first].clone()}, "no adapted layer of"),
        ({"base_model.model.bias": torch.zeros(3)}, "no adapted layer of|weights of no LoRA layer"),
    ):
        save_file(weights | changed, place / WEIGHTS)
        with pytest.raises(ValueError, match=told):
            read_adapter(model, place)
    save_file({name: value for name, value in weights.items() if name != first}, place / WEIGHTS)
    with pytest.raises(ValueError, match="no adapted layer of"):
        read_adapter(model, place)
    save_file({}, place / WEIGHTS)
    with pytest.raises(ValueError, match="weights of no LoRA layer"):
        read_adapter(model, place)
