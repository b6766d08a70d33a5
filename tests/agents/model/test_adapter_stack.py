"""Adapters side by side: each sequence goes through its own, as it would if the model had that one alone."""

from pathlib import Path

import pytest
import torch

from personagym_agents.model.adapter_file import read_adapter, write_adapter
from personagym_agents.model.adapter_stack import AdapterStack, target_layers
from personagym_agents.model.adapters import lora_config
from personagym_agents.model.causal_lm import small_model
from personagym_agents.model.quiet import quietly


def stack_of(model: torch.nn.Module, count: int) -> AdapterStack:
    return AdapterStack(model, count, rank=2, alpha=4, dropout=0.0, targets="all-linear")  # type: ignore[arg-type]


@torch.no_grad()
def test_each_sequence_goes_through_its_own_adapter_and_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = small_model(50, width=16, layers=2, heads=2).eval()
    tokens = torch.randint(0, 50, (3, 7))
    plain = model(tokens).logits
    stack = stack_of(model, 2)
    with stack.stacked():
        stack.choose(torch.tensor([0, 1, 0]))
        torch.testing.assert_close(model(tokens).logits, plain, msg="an untrained adapter adds nothing")
        for parameter in stack.parameters:
            parameter.add_(0.1 * torch.randn_like(parameter))
        mixed = model(tokens).logits
    assert all(parameter.requires_grad for parameter in model.parameters())
    torch.testing.assert_close(model(tokens).logits, plain)
    config = lora_config(model, rank=2, alpha=4, dropout=0.0)
    for number, rows in ((0, [0, 2]), (1, [1])):
        factors = stack.factors(stack.snapshot(), number)
        single = stack_of(model, 1)
        single.begin_as([factors])
        with single.stacked():
            single.choose(torch.zeros(3, dtype=torch.int64))
            torch.testing.assert_close(model(tokens).logits[rows], mixed[rows])
        write_adapter(tmp_path / str(number), factors, config)
        read = read_adapter(model, tmp_path / str(number))
        assert read.keys() == factors.keys()
        for layer, low_rank in read.items():
            torch.testing.assert_close(
                low_rank.down @ low_rank.up, factors[layer].down @ factors[layer].up, atol=1e-3, rtol=0.01
            )


def test_targets_are_the_layers_that_peft_would_take() -> None:
    from peft.tuners.lora import LoraLayer

    from personagym_agents.model.adapters import add_adapters

    model = small_model(50, width=16, layers=1, heads=2)
    for targets in ("all-linear", "query-key"):
        mine = set(target_layers(model, targets))  # type: ignore[arg-type]
        adapted = add_adapters(model, ["one"], lora_config(model, rank=2, alpha=2, dropout=0.0, targets=targets))  # type: ignore[arg-type]
        assert mine == {name for name, module in model.named_modules() if isinstance(module, LoraLayer)}
        adapted.unload()


def test_written_adapters_are_read_by_peft(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    model = small_model(50, width=16, layers=1, heads=2).eval()
    stack = stack_of(model, 1)
    for parameter in stack.parameters:
        parameter.data.add_(0.1)
    tokens = torch.randint(0, 50, (1, 5))
    with torch.no_grad(), stack.stacked():
        stack.choose(torch.zeros(1, dtype=torch.int64))
        mine = model(tokens).logits
    write_adapter(
        tmp_path / "one", stack.factors(stack.snapshot(), 0), lora_config(model, rank=2, alpha=4, dropout=0.0)
    )
    with quietly():
        loaded = peft.PeftModel.from_pretrained(model, str(tmp_path / "one"))
    with torch.no_grad():
        torch.testing.assert_close(loaded(tokens).logits, mine, atol=2e-3, rtol=1e-2)
