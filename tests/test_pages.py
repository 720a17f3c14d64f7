"""Lessons and hints in the terminal: formulas in Unicode, code and pictures within 80 columns, figures told in
words."""

import ast
import io
import re

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from grader.report import formula, narrow
from grader.report.markdown import with_formulas
from grader.student.pages import show_hint, show_lesson
from tests.conftest import PROBLEMS

EVERY = pytest.mark.parametrize("number", PROBLEMS)


def fences(number: int) -> list[tuple[str, str]]:
    """What a lesson's fences are called, and what stands in them."""
    return [
        (token.info, token.content)
        for token in MarkdownIt().parse(PROBLEMS[number].lesson.read_text(encoding="utf-8"))
        if token.type == "fence"
    ]


def shown(number: int, width: int = 80, show=show_lesson) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=False)
    show(PROBLEMS[number], console)
    return console.file.getvalue()


@EVERY
def test_every_formula_of_every_lesson_is_read(number):
    """No TeX is left of any formula in a lesson or hint, and each fits a terminal of 80 columns."""
    found = []
    for text in (PROBLEMS[number].lesson.read_text(encoding="utf-8"), *PROBLEMS[number].hints):
        with_formulas(MarkdownIt().enable("table"), lambda tex: found.append(tex) or "").parse(text)
    assert number == 40 or len(found) > 10
    for tex in found:
        for line in formula.in_lines(tex.strip("$")):
            assert not re.search(r"[\\$&~]|[_^]\{|[_^]$", line) and len(line) <= 78, (tex, line)
            assert line.count("(") == line.count(")") and line.count("{") == line.count("}"), (tex, line)


@pytest.mark.parametrize(
    "tex, told",
    [
        (
            r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V",
            ["Attention(Q, K, V) = softmax(Q Kᵀ / √d_k) V"],
        ),
        (
            r"s_{ij} = \frac{q_i \cdot k_j}{\sqrt{d_k}} \qquad\qquad p_{ij} = \frac{e^{s_{ij}}}{\sum_{j'} e^{s_{ij'}}}",
            ["sᵢⱼ = qᵢ · kⱼ / √d_k", "pᵢⱼ = e^sᵢⱼ / (Σⱼ′ e^sᵢⱼ′)"],
        ),
        (r"\text{head}_n = P_n V_n", ["headₙ = Pₙ Vₙ"]),
        (
            r"\big[\,\text{head}_0 \;\big|\; \dots \;\big|\; \text{head}_{N-1}\,\big]\, W_O",
            ["[head₀ | … | head_(N−1)] W_O"],
        ),
        (r"\tilde K_{p+i} \leftarrow (X W_K)_i", ["K̃ₚ₊ᵢ ← (X W_K)ᵢ"]),
        (r"\tilde V_{p+i}", ["Ṽₚ₊ᵢ"]),
        (r"\bar x = \#\{\, i : x_i \,\}", ["x̄ = #{ i : xᵢ }"]),
        (r"s^{bn}_{ij} = q^{bn}_i \cdot k^{bn}_j / \sqrt{H}", ["sᵇⁿᵢⱼ = qᵇⁿᵢ · kᵇⁿⱼ / √H"]),
        (r"K_{\lfloor n / G \rfloor}^\top", ["K_⌊n / G⌋ᵀ"]),
        (r"S_{bi} = \{\, j : m_{bj} \,\} \quad\text{(bidirectional)}", ["S_bi = { j : m_bj } (bidirectional)"]),
        (
            r"\begin{cases} \dfrac{e^{s_{ij}}}{\sum_{l:\, m_l} e^{s_{il}}} & \text{if } m_j \\[1ex] 0 & \text{otherwise} \end{cases}",  # noqa: E501
            ["{ e^sᵢⱼ / (Σ_(l: mₗ) e^sᵢₗ) if mⱼ; 0 otherwise }"],
        ),
        (
            r"a \qquad\Longleftarrow\qquad w + 1 \ge \frac{1}{\alpha} \left( \Delta + \ln \frac{2}{\varepsilon\,(1 - e^{-\alpha})} \right)",  # noqa: E501
            ["a", "⇐ w + 1 ≥ (1/α) (Δ + ln (2 / (ε (1 − e^(−α)))))"],
        ),
        (r"\frac{a + b}{c} + \frac12 + \tfrac52 + \frac{480}{16}", ["(a + b) / c + ½ + 5/2 + 480/16"]),
        (r"\partial p_j / \partial s_l = p_j (\delta_{jl} - p_l)", ["∂pⱼ / ∂sₗ = pⱼ (δⱼₗ − pₗ)"]),
        (r"4\,d_\text{model}^2 L^2, 10^{-6}, e^0, e^\lambda, e^{|i-j|}", ["4 d_model² L², 10⁻⁶, e⁰, e^λ, e^|i−j|"]),
        (r"\mathbf A \mathbf{b}, \text", ["A b,"]),
        (r"m' = \max\left(m, \ \max_{j \in B} s_j\right).", ["m′ = max(m, max_(j ∈ B) sⱼ)."]),
    ],
)
def test_how_a_formula_reads(tex, told):
    """A ratio is bracketed where something is multiplied with it; what counts is small, what names is as in the code;
    `\\qquad` begins a line."""
    assert formula.in_lines(tex) == told


@EVERY
def test_a_lesson_keeps_to_80_columns(number):
    """No line is wider, no Markdown or TeX is left, and code that draws is told by what its figure shows and where it
    is."""
    told = shown(number)
    assert max(map(len, told.splitlines())) <= 80
    assert told.startswith(f"{number} · {PROBLEMS[number].title}") and "Further reading" in told
    assert "$" not in told and "**" not in re.sub(r"^  .*$|\d? \*\* ?\d?", "", told, flags=re.MULTILINE)
    assert "plt." not in told and told.count("\n  figure: ") == sum(
        "alt=" in info for info, _ in fences(number)
    ) == told.count(f"\n  notebooks/{PROBLEMS[number].name}.ipynb shows it")


@EVERY
def test_narrow_code_is_the_same_program(number):
    """Code that is broken into lines of at most 78 columns parses to the same tree."""
    for info, source in fences(number):
        if info.startswith("python") and "alt=" not in info:
            new = narrow.program(source.rstrip(), 78)
            assert ast.dump(ast.parse(new)) == ast.dump(ast.parse(source)) and max(map(len, new.splitlines())) <= 78


@pytest.mark.parametrize("number", [number for number, problem in PROBLEMS.items() if problem.part == "The core"])
def test_lessons_are_written_in_lines_that_fit(number):
    """What is broken by a rule reads oddly, so that code stands in the lesson as it should look in 80 columns."""
    for info, source in fences(number):
        if info.startswith("python") and "alt=" not in info:
            assert narrow.program(source.rstrip(), 78) == source.rstrip()


@pytest.mark.parametrize(
    "source, new",
    [
        ("x = 1", "x = 1"),
        ("value = compute(one)      # said of it", "# said of it\nvalue = compute(one)"),
        ("for a in zip(one_list, another_list):\n    pass", "for a in zip(one_list,\n        another_list):\n    pass"),
        ("print(first(one, two), second(three))", "print(first(one, two),\n    second(three))"),
        ("print('all of this is one long text')", "print('all of this is one '\n      'long text')"),
        ("print(f'{one_name} and {another_one}')", "print(f'{one_name} and '\n      f'{another_one}')"),
        ("a_name_that_is_far_too_long_for_this = 1", "a_name_that_is_far_too_long_for_this = 1"),
    ],
)
def test_where_code_is_broken(source, new):
    """A comment goes above; a line ends after a comma or within a text in brackets; what cannot be broken stays."""
    assert narrow.program(source, 28) == new
    assert ast.dump(ast.parse(new)) == ast.dump(ast.parse(source))


@pytest.mark.parametrize(
    "text, new",
    [
        ("short\n  lines", "short\n  lines"),
        ("one        two       three\n1          2         3", "one       two  three\n1         2    3"),
        (
            "one two six   seven eight nine\n1   2   3     4     5     6",
            "one two six\n1   2   3\n\nseven eight nine\n4     5     6",
        ),
        ("a sentence that is longer than it may be", "a sentence that is\n    longer than it\n    may be"),
    ],
)
def test_where_what_was_printed_is_broken(text, new):
    """Blanks between columns go first; then the right columns stand below the left ones; a sentence is wrapped."""
    assert narrow.printed(text, 20) == new


def test_hints_have_their_formulas_in_unicode(tmp_path, monkeypatch):
    """A hint is set as a lesson is."""
    monkeypatch.setattr("grader.process.store.remember", lambda *_, **__: True)
    monkeypatch.setattr("grader.process.store.recall", lambda *_: dict(hints=9))
    monkeypatch.setitem(PROBLEMS[31].__dict__, "hints", ["Divide by $\\sqrt{d_k}$, *not* by $d_k$."])
    assert shown(31, show=show_hint).splitlines() == [
        "hint 1 of 1",
        "Divide by √d_k, not by d_k.",
        "that was the last hint",
    ]
