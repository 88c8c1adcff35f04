"""Tokens: one view of open_clip's two kinds of tokenizer."""

from typing import Any

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from vip_core.errors import SymptomError
from vip_core.utils.lru import LRU


class Tokens:
    """The tokens of a text without its markers, and the markers that the tower expects around them.

    Attributes:
        start: ids before a text; none for SigLIP.
        end: ids after it.
        pad: the id that fills a row.
        limit: tokens per row.
    """

    def __init__(self, tokenizer: SimpleTokenizer | HFTokenizer):
        self.tokenizer = tokenizer
        self._known: LRU[tuple[str, bool], list[int]] = LRU(4096)  # tokenising is slow, and texts come again
        self._space = ""  # before a text that follows other words
        self.limit = int(tokenizer.context_length or 0)
        if isinstance(tokenizer, SimpleTokenizer):
            self.start, self.end, self.pad = [tokenizer.sot_token_id], [tokenizer.eot_token_id], 0
            self._reserved, self._unknown = frozenset(tokenizer.all_special_ids), None
            return
        inner: Any = tokenizer.tokenizer
        bare, marked = self._ids("a"), inner("a").input_ids
        first = next(i for i in range(len(marked)) if marked[i : i + len(bare)] == bare)
        self.start, self.end = marked[:first], marked[first + len(bare) :]
        if tokenizer.strip_sep_token:  # CLIPA was trained with 0 in the place of [SEP]
            self.end = [0 if token == inner.sep_token_id else token for token in self.end]
        if self._ids("a a") == [*bare, *self._ids("a", " ")] != [*bare, *bare]:
            self._space = " "  # RoBERTa's word "a" differs between the start of a text and its middle
        self.pad = inner.pad_token_id
        self._unknown = inner.unk_token_id
        self._reserved = frozenset(inner.all_special_ids) - {self._unknown}

    def encode(self, text: str, follows: bool = False) -> list[int]:
        """Ids of a text, without markers, in any number.

        Args:
            text: the text.
            follows: whether it follows other words, such as a context.

        Raises:
            SymptomError: if it contains a marker that the tokenizer reserves, or only tokens unknown to it.
        """
        return self._known.get([(text, follows)], lambda keys: [self._checked(*key) for key in keys])[0]

    def _checked(self, text: str, follows: bool) -> list[int]:
        ids = self._ids(text, self._space if follows else "")
        if self._reserved & set(ids):
            raise SymptomError(
                f"The symptom “{shorten(text)}” contains a marker that the text tower reserves, such as the start or "
                "the end of a text; remove it."
            )
        if not ids or (self._unknown in ids and not self._has_known_word(text.rstrip(". "))):
            raise SymptomError(
                f"The symptom “{shorten(text)}” has no word that the text tower knows; describe it in plain words."
            )
        return ids

    def _has_known_word(self, text: str) -> bool:
        inner: Any = getattr(self.tokenizer, "tokenizer")  # noqa: B009 - only Hugging Face tokens can be unknown
        return any(inner.decode([token]).strip() for token in self._ids(text) if token != self._unknown)

    def _ids(self, text: str, before: str = "") -> list[int]:
        if isinstance(self.tokenizer, SimpleTokenizer):
            return self.tokenizer.encode(text)
        return self.tokenizer.tokenizer(before + self.tokenizer.clean_fn(text), add_special_tokens=False).input_ids


def shorten(text: str, length: int = 60) -> str:
    """A text on one line, cut with an ellipsis, for an error."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
