"""A formula of a lesson as a line of Unicode: `\\frac{Q K^\\top}{\\sqrt{d_k}}` reads `Q Kᵀ / √d_k`.

It knows the TeX that the lessons use, which a test holds it to. A subscript that counts is small (`sᵢⱼ`); one that
names stands as it does in the code (`d_k`, `T_q`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

NAMED = ("ln", "log", "exp", "max", "min", "sin", "cos", "tanh")
WORD = {
    name: sign
    for names, signs in (
        (
            "alpha beta gamma delta Delta epsilon varepsilon eta theta lambda mu pi rho sigma tau phi omega ell infty "
            "partial nabla top emptyset",
            "α β γ δ Δ ε ε η θ λ μ π ρ σ τ φ ω ℓ ∞ ∂ ∇ ⊤ ∅",
        ),
        (" ".join(NAMED), " ".join(NAMED)),
        ("dots ldots cdots", "… … …"),
        ("# %", "# %"),
    )
    for name, sign in zip(names.split(), signs.split())
}
OPERATOR = dict(
    zip(
        "cdot odot pm times circ le ge leq geq ne approx sim in "
        "leftarrow rightarrow Longleftarrow Longrightarrow mid".split(),
        "· ⊙ ± × ∘ ≤ ≥ ≤ ≥ ≠ ≈ ∼ ∈ ← → ⇐ ⇒ |".split(),
    )
)
FUNCTION = {"sum": "Σ", "prod": "Π", **{name: name for name in NAMED}}
BRACKET = {
    **{"lfloor": "⌊", "lceil": "⌈", "{": "{", "lVert": "‖", "lvert": "|"},
    **{"rfloor": "⌋", "rceil": "⌉", "}": "}", "rVert": "‖", "rvert": "|"},
}
SPACE = {
    ",": " ",
    ";": " ",
    ":": " ",
    " ": " ",
    "!": "",
    "quad": " ",
    "qquad": "\n",
    "big": "",
    "Big": "",
    "left": "",
    "right": "",
    "displaystyle": "",
}
ACCENT = {"tilde": "\N{COMBINING TILDE}", "bar": "\N{COMBINING MACRON}"}
OPEN, CLOSE = "([{⌊⌈", ")]}⌋⌉"
LOW = dict(zip("0123456789ijlmnprt+−′", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₗₘₙₚᵣₜ₊₋′"))
HIGH = dict(zip("0123456789−⊤abcdefghijklmnoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"))
VULGAR = dict(zip(("1/2", "1/3", "2/3", "1/4", "3/4", "1/5", "1/8", "3/8", "5/8", "7/8"), "½⅓⅔¼¾⅕⅛⅜⅝⅞"))
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A part of a formula: an operand, a ratio (which takes brackets beside another operand), an operator, a function,
    a bracket, or space."""

    text: str
    kind: str = "operand"


def in_lines(tex: str) -> list[str]:
    """What stands side by side in a displayed formula, one line each."""
    # an arrow stands before what follows
    text = re.sub(r"[^\S\n]+", " ", re.sub(r"⇐\s+", "⇐ ", _Reader(tex).formula()))
    text = re.sub(r"(?<=[(\[⌊]) | (?=[)\]⌋])", "", text)
    return [line.strip() for line in text.split("\n") if line.strip()]


def in_a_line(tex: str) -> str:
    return "    ".join(in_lines(tex))


class _Reader:
    """Reads a formula from its first token to its last."""

    def __init__(self, tex: str):
        self.tokens = TOKEN.findall(tex.strip())

    def formula(self, end: str = "") -> str:
        """The formula up to the token `end`."""
        pieces: list[Piece] = []
        while self.tokens:
            token = self.tokens.pop(0)
            if token == end:
                break
            if token in "^_":
                script = self._script(token, pieces[-1].text if pieces else "")
                pieces[-1:] = [
                    Piece((pieces[-1].text if pieces else "") + script, pieces[-1].kind if pieces else "operand")
                ]
            else:
                pieces.append(self._piece(token))
        return _joined(pieces)

    def _piece(self, token: str) -> Piece:
        name = token[1:] if token.startswith("\\") else ""
        if token.isspace():
            return Piece(" ", "space")
        if name in SPACE:
            return Piece(SPACE[name], "gap" if name == "qquad" else "space")
        if name in ("text", "mathrm", "operatorname", "mathbf"):
            text = self._raw()
            return Piece(text, "operand" if text == text.strip() else "space")
        if name in ("frac", "tfrac", "dfrac"):
            return _ratio(self._argument(), self._argument())
        if name == "sqrt":
            return Piece("√" + _grouped(self._argument()))
        if name in ACCENT:
            return Piece(unicodedata.normalize("NFC", self._argument() + ACCENT[name]))
        if name == "begin":
            return self._cases()
        if name == "partial":
            return Piece("∂" + self._argument())
        if name in OPERATOR:
            return Piece(OPERATOR[name], "operator")
        if name in FUNCTION:
            return Piece(FUNCTION[name], "function")
        if name in BRACKET:
            return Piece(BRACKET[name], "open" if name[0] in "l{" else "close")
        if token == "{":
            return Piece(self.formula("}"))
        return Piece(WORD.get(name, token.replace("-", "−").replace("'", "′")), _kind(token))

    def _argument(self) -> str:
        """The next group, or the next token where there are no braces."""
        token = self.tokens.pop(0) if self.tokens else ""
        return self._argument() if token.isspace() else self.formula("}") if token == "{" else self._piece(token).text

    def _raw(self) -> str:
        """The next group as it is written, with its spaces; the next token where there are no braces."""
        while (first := self.tokens.pop(0) if self.tokens else "").isspace():
            pass
        if first != "{" or "}" not in self.tokens:
            return first
        end = self.tokens.index("}")
        text, self.tokens = "".join(self.tokens[:end]), self.tokens[end + 1 :]
        return text

    def _script(self, sign: str, base: str) -> str:
        text = self._argument()
        small = LOW if sign == "_" else HIGH if base != "e" or not text.isalpha() or text == "⊤" else {}
        return (
            "".join(small[letter] for letter in text)
            if text and {*text} <= {*small} and text != "−"
            else sign + _grouped(text)
        )

    def _cases(self) -> Piece:
        """`{ this if that; this otherwise }`."""
        self._raw()
        end = next(i for i, token in enumerate(self.tokens) if token == "\\end")
        inner, self.tokens = "".join(self.tokens[:end]), self.tokens[end + 1 :]
        self._raw()
        rows = re.split(r"\\\\(?:\[[^]]*\])?", inner)
        return Piece("{ " + "; ".join(in_a_line(row.replace("&", " ")) for row in rows) + " }")


def _kind(token: str) -> str:
    if token in OPEN or token in CLOSE:
        return "open" if token in OPEN else "close"
    return "operator" if token in "+-=<>/,.:;" else "bar" if token == "|" else "operand"


def _joined(pieces: list[Piece]) -> str:
    """The pieces in a row; a ratio beside something that it is multiplied with is put in brackets."""
    solid = [piece for piece in pieces if piece.kind != "space" or piece.text.strip()]
    text = ""
    for piece in pieces:
        if piece.kind == "ratio":
            at = next(i for i, other in enumerate(solid) if other is piece)
            before = solid[at - 1].kind if at else ""
            after = solid[at + 1].kind if at + 1 < len(solid) else ""
            if before in ("operand", "ratio", "close", "function") or after in ("operand", "ratio", "open", "function"):
                text += f"({piece.text})"
                continue
        text += piece.text
    return text


def _ratio(above: str, below: str) -> Piece:
    if f"{above}/{below}" in VULGAR:
        return Piece(VULGAR[f"{above}/{below}"])
    above = f"({above})" if re.search(r"[+−=]", _outside(above)[1:]) else above
    below = _grouped(below)
    return Piece(f"{above}{' / ' if ' ' in above + below else '/'}{below}", "ratio")


def _grouped(text: str) -> str:
    """The text in brackets, where it is more than one word."""
    return f"({text})" if re.search(r"[\s+−=/,·]", _outside(text)) else text


def _outside(text: str) -> str:
    """The text without what stands in brackets."""
    left = None
    while left != text:
        left, text = text, re.sub(r"\([^()]*\)|\[[^][]*\]|\{[^{}]*\}|⌊[^⌊⌋]*⌋|\|[^|]*\|", "o", text)
    return text
