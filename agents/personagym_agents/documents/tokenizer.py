"""Tokens of a document: the bundled model's own tokenizer, and the answer tokens of any tokenizer."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from personagym_agents.documents.document import LONGEST_TITLE, one_field
from personagym_env.data.tables import Catalogue

BEGIN = "<|user|>"
PAD = "<|pad|>"
# A field with the separator that ends it is one piece, so that frequent titles, genres and crowd figures become one
# token each, and no token reaches over two fields.
_FIELD = Regex(r"\n?[^;,\n]+[;,]?|[;,\n]")


def train_tokenizer(texts: Iterable[str], vocabulary: int = 4096) -> PreTrainedTokenizerFast:
    """Byte-level BPE in which a frequent field is one token.

    Args:
        texts: lines and headers as often as they occur, so that merges go where they save most.
        vocabulary: entries, with the 256 bytes and the two special tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_FIELD, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BEGIN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BEGIN
    )


class Answers(NamedTuple):
    """How a tokenizer writes the answers."""

    ids: tuple[int, ...]
    """(1 + r,) one token each: skip, then the rating scale."""
    lead: str
    """What stands between a line and its answer token."""
    spelled: tuple[tuple[int, ...], ...] = ()
    """(1 + r,) tokens that spell each answer, where tokens of their own were added just now; else empty."""


def answer_tokens(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> Answers:
    """Find one token per answer: ` 4` where that is a token, else `4` after a space, else an added token.

    An added token changes the vocabulary: resize the model's embeddings to `len(tokenizer)` afterwards, and call
    `personagym_agents.model.causal_lm.spell_answers`.
    """
    for glue, lead in ((" ", ""), ("", " ")):
        segments = [tokenizer.encode(glue + word, add_special_tokens=False) for word in words]
        if all(len(segment) == 1 for segment in segments) and len({segment[0] for segment in segments}) == len(words):
            return Answers(tuple(segment[0] for segment in segments), lead)
    spelled = tuple(tuple(tokenizer.encode(f" {word}", add_special_tokens=False)) for word in words)
    added = [f"<|{word}|>" for word in words]
    # Special, so that no text from a data set can hold one. A tokenizer that has them comes with a model that has
    # learned them.
    fresh = tokenizer.add_tokens(added, special_tokens=True) > 0
    ids = cast(list[int], tokenizer.convert_tokens_to_ids(added))
    return Answers(tuple(ids), " ", spelled if fresh else ())


def encode_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts from a data set. Nothing in a text can become a special token."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [list(ids) for ids in encoded]


def fit_titles(catalogue: Catalogue, tokenizer: PreTrainedTokenizerBase, most: int) -> Catalogue:
    """The catalogue, whose titles of more than `most` tokens are cut so that they have fewer."""
    titles = list(catalogue.titles)
    for item, title in enumerate(titles):
        if len(title.encode(errors="replace")) <= most:
            continue  # no tokenizer makes more tokens than there are bytes
        field = one_field(title, LONGEST_TITLE)
        while (count := len(encode_texts(tokenizer, [field])[0])) > most:
            field = one_field(field, len(field.encode()) * most // count)
            titles[item] = field
    return replace(catalogue, titles=tuple(titles))
