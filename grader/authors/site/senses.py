"""Words that are at home elsewhere too: a grade book has a key, a zip has weights beside it. Their meaning is shown in
lessons alone, and only where what stands around says that it is the one that is meant; none is better than a false
one."""

from __future__ import annotations

import re

AVERAGED = r"quer(?:y|ies)|softmax|scores?|attends?|averages?"

# What is said around the word: some of the first, nothing of the second. Single letters are names in code.
SENSES = {
    ("key", "keys"): (rf"{AVERAGED}|values|masks?|padding|hid(?:es|den)|sees?", r"dict|random|login|jax\.random"),
    ("value", "values"): (rf"{AVERAGED}|keys|weights", r"dict|initial|expected|particular|the same value"),
    ("weights",): (
        rf"{AVERAGED}|keys?|sum|rows?|tiles|masks?",
        r"train\w*|load\w*|learn\w*|layout|models?|decays?|optimi\w+|AdamW|gradients?|zip",
    ),
    ("scale",): (r"softmax|scores?|soft|heads?|keys|bias|products?", r"gradients?|rate|log|axis|axes"),
    ("score", "scores"): (rf"{AVERAGED}|keys?|softmax|weights|masks?|heads?|exp|biases|bias", r"test|points|student"),
    ("decay", "decays"): (r"distances?|slopes?|farther", r"rate|optimi\w+|AdamW|parameters?"),
    ("context", "contexts"): (rf"{AVERAGED}|sequence|keys|padding|mask", r"window|length|language"),
    ("embedding", "embeddings"): (r"tokens?|words?|vectors?", r"buckets|num_buckets|positional|rotary"),
    ("packed",): (r"texts?|sequences|inputs|padding", r"zip|download"),
    ("B",): (r"batch|blocks?|sequences|N|mask", r"bytes"),
    ("G",): (r"groups?|heads|factor", r"GiB"),
    ("K",): (r"heads?|groups?|G", r""),
    ("L",): (r"tokens", r"loss|layers"),
    ("M",): (r"caches?|rows|buffers?|padded|slots", r"micro\w*|pieces"),
    ("S",): (r"keys?|T_k", r""),
    ("b",): (r"blocks?|block_size", r"bias|beta"),
    ("l",): (r"m|o|sum|maximum|softmax", r"layers?"),
    ("m",): (r"l|o|maximum|key/value|heads?", r"gradients?|moments?|parameters?"),
    ("o",): (r"l|m|output|average", r""),
    ("v",): (r"k|keys?|values?|scores?|context", r"gradients?|moments?|parameters?"),
    ("x",): (r"d_model|context", r"queries or keys|slice|scan|padding"),
}
CASE = re.NOFLAG, re.IGNORECASE  # of what stands around a letter, around a word
RULES = {
    word: tuple(re.compile(rf"\b(?:{told})\b" if told else r"(?!)", CASE[len(word) > 1]) for told in (needed, barred))
    for words, (needed, barred) in SENSES.items()
    for word in words
}


def meant(word: str, said: str, lesson: bool) -> bool:
    """Whether a word, as the glossary spells it, has the glossary's meaning in what is said around it."""
    if word not in RULES:
        return True
    needed, barred = RULES[word]
    around = re.sub(rf"\b{word}\b", " ", said, flags=CASE[len(word) > 1])
    return lesson and bool(needed.search(around)) and not barred.search(said)
