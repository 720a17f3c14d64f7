"""One name for one misconception. Each problem's bank calls its mistakes as they look there; on a student's page and in
a report on the class the same idea has one name, whatever it is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grader.course.verdict import EntryVerdict, Named, Verdict

AS_ABOVE = "The same as in `{}`, where it is told."

# What is said on the left is the misconception, on the right what banks call it too. `causal_` before a name that a
# bank has by itself is the same idea once more.
CALLED_TOO = {
    "aligned_at_the_start": ("mask_aligned_at_the_start", "mask_of_ones_aligned_at_the_start", "mask_from_the_start"),
    "offset_reversed": ("mask_with_the_offset_reversed",),
    "without_the_token_itself": ("mask_without_the_token_itself",),
    "one_key_too_many": ("mask_with_one_key_too_many",),
    "inverted_the_mask": (
        "mask_that_is_true_where_hidden",
        "hid_what_it_may_see",
        "mask_that_is_true_on_padding",
        "mask_inverted",
        "causal_inverted_padding",
    ),
    "ignored_the_mask": ("no_mask", "mask_ignored"),
    "mask_after_the_softmax": ("padding_after_the_softmax",),
    "softmax_over_hidden_keys_too": ("softmax_over_masked_tokens_too",),
    "nan_where_nothing_is_seen": ("nan_where_nothing_is_visible", "no_key_gives_nan", "divided_by_zero"),
    "mean_where_nothing_is_seen": (
        "mean_where_nothing_is_visible",
        "no_key_gives_the_mean",
        "average_of_what_is_hidden",
    ),
    "hidden_by_a_small_number": ("not_negative_enough",),
    "scale_of_the_whole_width": ("scaled_by_the_whole_width", "scale_of_the_model"),
    "joined_by_reshape_alone": ("joined_without_moving",),
    "all_heads_as_one": ("one_head_for_all",),
    "nothing_is_rescaled": ("no_rescaling",),
    "padded_keys_counted": ("padding_counted",),
}
AGAIN = {
    "causal_forgot_none",
    "causal_masked_the_queries",
    "causal_zeroed_padded_queries",
    "causal_mask_of_the_first_sequence",
    "causal_nan_where_nothing_is_seen",
    "causal_mean_where_nothing_is_seen",
    "causal_hidden_by_a_small_number",
    "causal_gradient_nan_where_nothing_is_seen",
    "causal_added_a_large_number",
    "causal_added_a_large_number_and_zeroed",
    "causal_renormalised",
    "causal_heads_interleaved",
    "causal_joined_without_moving",
    "causal_scaled_by_the_whole_width",
    "causal_forgot_the_scale",
}
NAME = {other: name for name, others in CALLED_TOO.items() for other in others}


def misconception(mistake: str) -> str:
    """The one name of what a mistake shows."""
    mistake = mistake.removeprefix("causal_") if mistake in AGAIN else mistake
    return NAME.get(mistake, mistake)


def by_one_name(verdict: Verdict) -> Verdict:
    """The verdict with its mistakes called by their misconceptions. One that two names show is told at the first."""
    return replace(verdict, entries=tuple(_entries(verdict)))


def _entries(verdict: Verdict) -> Iterator[EntryVerdict]:
    told: dict[str, str] = {}
    for entry in verdict.entries:

        def once(known: Named, of: str = entry.name) -> Named:
            name = misconception(known.name)
            first = told.setdefault(name, of)
            return replace(known, name=name, sentence=known.sentence if first == of else AS_ABOVE.format(first))

        if entry.mistake:
            known = once(Named(entry.mistake, entry.sentence))
            entry = replace(entry, mistake=known.name, sentence=known.sentence)
        yield replace(
            entry,
            second=once(entry.second) if entry.second else None,
            partly=once(entry.partly) if entry.partly else None,
        )
