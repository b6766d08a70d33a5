"""A chat model that runs here: any causal LM of `transformers` whose tokenizer has a chat template."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jinja2 import TemplateError
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.llm.chat import Answer, Conversation, Form, Message
from personagym_agents.llm.guide import Guide, guiding_tokenizer
from personagym_agents.model.causal_lm import chosen_device, load_base, place_on

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_SAMPLE = 256
"""Values of every weight tensor that a model's fingerprint looks at."""


@dataclass(frozen=True)
class LocalSettings:
    """How a local chat model is run."""

    batch: int = 8
    """Conversations answered at a time."""
    device: str | None = None
    """As `torch` names it; None takes a GPU if there is one. On a GPU the weights are bfloat16."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")


class LocalChat:
    """A local chat model that answers greedily, so the same question always gives the same answer.

    Args:
        model: the causal LM.
        tokenizer: with a chat template; the caller's stays as it is but for the side that it pads on.
        settings: how it is run.

    Raises:
        ValueError: the tokenizer has no chat template.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: LocalSettings) -> None:
        if not tokenizer.chat_template:
            raise ValueError(f"the tokenizer of {model.name_or_path!r} has no chat template: name a chat model")
        self._model, self._tokenizer, self._settings = model.eval(), tokenizer, settings  # type: ignore[no-untyped-call]
        tokenizer.padding_side = "left"  # so that every answer starts at the same column
        ends = model.generation_config.eos_token_id if model.generation_config is not None else None
        ends = tokenizer.eos_token_id if ends is None else ends
        self._ends: list[int] = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
        # Which token pads is of no matter behind an attention mask; a base without a pad token has none.
        self._pad = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (self._ends or [0])[0])
        self._fingerprint = _fingerprint(model, tokenizer)

    @classmethod
    def of(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> "LocalChat":
        """A chat with a model that is loaded already."""
        return cls(model, tokenizer, LocalSettings())

    @classmethod
    def load(cls, name: str | Path, settings: LocalSettings) -> "LocalChat":
        """Load by name or path, see `load_base`.

        Raises:
            ValueError: there is no such model here, or it is no chat model.
        """
        device = chosen_device(settings.device)
        model, tokenizer = load_base(name)
        place_on(model, device)
        return cls(model, tokenizer, settings)

    @property
    def identity(self) -> Mapping[str, object]:
        """See `ChatModel.identity`."""
        return {"local": self._fingerprint}

    def prompt(self, conversation: Conversation) -> list[int]:
        """Token ids of a conversation, up to where the answer is due.

        A template that knows no system role gets the task at the head of the data.
        """
        try:
            return self._apply(conversation)
        except TemplateError:
            folded = "\n\n".join(message.content for message in conversation)
            return self._apply((Message("user", folded),))

    def _apply(self, conversation: Conversation) -> list[int]:
        # Models that can think before they answer are asked not to; other templates ignore the argument.
        text = self._tokenizer.apply_chat_template(
            [message._asdict() for message in conversation],
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,
        )
        # The template writes the begin token itself, where the model has one.
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    @cached_property
    def _guiding(self) -> "LLTokenizer":
        return guiding_tokenizer(self._tokenizer, int(self._model.config.vocab_size), self._ends)

    def answers(
        self, conversations: Sequence[Conversation], max_tokens: int, forms: Sequence[Form] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """See `ChatModel.answers`; conversations of like length are answered together.

        Raises:
            ValueError: a conversation does not fit into the model's window, or an answer cannot be held to its form.
            ImportError: answers are held to forms, and what that needs is not installed.
        """
        prompts = [self.prompt(conversation) for conversation in conversations]
        window = int(getattr(self._model.config, "max_position_embeddings", 0) or 2**31)
        longest = max(map(len, prompts), default=0)
        if longest + max_tokens > window:
            raise ValueError(
                f"a conversation of {longest} tokens and an answer of {max_tokens} do not fit into the model's "
                f"{window} positions"
            )
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        for start in range(0, len(order), self._settings.batch):
            places = order[start : start + self._settings.batch]
            guides = LogitsProcessorList()
            if forms is not None:
                guides.append(Guide(self._guiding, [forms[place] for place in places]))
            answers = self._generate([prompts[place] for place in places], max_tokens, guides)
            yield from zip(places, answers, strict=True)

    @torch.inference_mode()
    def _generate(self, prompts: list[list[int]], max_tokens: int, guides: LogitsProcessorList) -> list[Answer]:
        width = max(map(len, prompts))
        padded = [[self._pad] * (width - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        tokens = self._model.generate(
            input_ids=torch.tensor(padded, device=self._model.device),
            attention_mask=torch.tensor(mask, device=self._model.device),
            generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                do_sample=False,
                max_new_tokens=max_tokens,
                pad_token_id=self._pad,
                eos_token_id=self._ends or None,
            ),
            logits_processor=guides,
        )
        return [
            self._read(len(prompt), written)
            for prompt, written in zip(prompts, tokens[:, width:].tolist(), strict=True)
        ]

    def _read(self, prompt: int, written: list[int]) -> Answer:
        end = next((place for place, token in enumerate(written) if token in self._ends), len(written))
        text = str(self._tokenizer.decode(written[:end], skip_special_tokens=True))
        return Answer(text, end < len(written), prompt, end)


def _fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 over configuration, chat template and a sample of every weight tensor."""
    digest = sha256(f"{model.config.to_json_string()} {tokenizer.chat_template} {len(tokenizer)}".encode())
    for name, weight in model.named_parameters():
        flat = weight.detach().reshape(-1)
        sample = flat[:: max(1, flat.numel() // _SAMPLE)].float().cpu().numpy()
        digest.update(name.encode() + sample.tobytes())
    return digest.hexdigest()
