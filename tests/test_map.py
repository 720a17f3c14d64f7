"""The map of the track: its arrows say what the lessons say, and keep off boxes that are not theirs."""

import random
import re
from types import SimpleNamespace

import pytest

from grader.authors.lesson import builds_on
from grader.authors.site.drawing import FORMS, drawn, rows
from grader.authors.site.track import parts_of
from tests.conftest import PROBLEMS

pytest.importorskip("pygraphviz")

TRACK = list(PROBLEMS.values()), {number: builds_on(problem) for number, problem in PROBLEMS.items()}
BOX = re.compile(
    r'<a href="notebooks/(\d+)_\w+\.html"[^>]*><rect x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"'
)
CLOSEST = 3  # pixels from an arrow to a box that it does not belong to
WAY = re.compile(r'<path class="way" d="M([^"]+)"/><path class="tip" d="M([^ ]+)')


def made_up(seed, count=40):
    """A track of many problems, each of which builds on up to three earlier ones."""
    draw = random.Random(seed)
    titles = [problem.title for problem in PROBLEMS.values()]
    problems = [
        SimpleNamespace(
            number=number,
            title=titles[number % len(titles)],
            name=f"{number}_made_up",
            part=f"Part {(number - 31) // 14}",
        )
        for number in range(31, 31 + count)
    ]
    return problems, {
        problem.number: sorted(
            draw.sample(range(31, problem.number), min(problem.number - 31, draw.choice((1, 1, 2, 3))))
        )
        for problem in problems
    }


def boxes(svg):
    return {int(number): tuple(map(float, box)) for number, *box in BOX.findall(svg)}


def points(way, tip):
    """Points along a curve, its tip last."""
    found = [tuple(map(float, pair.split(","))) for pair in re.findall(r"[-\d.e]+,[-\d.e]+", way)]
    for at in range(0, len(found) - 1, 3):
        a, b, c, d = found[at : at + 4]
        for step in range(21):
            t = step / 20
            yield tuple(
                (1 - t) ** 3 * a[i] + 3 * (1 - t) ** 2 * t * b[i] + 3 * (1 - t) * t**2 * c[i] + t**3 * d[i]
                for i in (0, 1)
            )
    yield tuple(map(float, tip.split(",")))


def within(point, box, margin):
    (x, y), (left, top, width, height) = point, box
    return left - margin < x < left + width + margin and top - margin < y < top + height + margin


def arrows(svg):
    """From which box to which each arrow leads."""
    placed = boxes(svg)
    for way, tip in WAY.findall(svg):
        passed = [*points(way, tip)]
        ends = [
            [number for number, box in placed.items() if within(point, box, 3)] for point in (passed[0], passed[-1])
        ]
        assert [len(end) for end in ends] == [1, 1], ends
        [[start], [end]] = ends
        behind = {
            number
            for number, box in placed.items()
            if number not in (start, end)
            for point in passed
            if within(point, box, CLOSEST)
        }
        assert not behind, f"the arrow from {start} to {end} touches {behind}"
        yield start, end


def behind(edges, number):
    """All that a problem builds on, directly or through others."""
    return {number} | {far for start, end in edges if end == number for far in behind(edges, start)}


@pytest.mark.parametrize("form", [0, 1], ids=[form.name for form in FORMS])
@pytest.mark.parametrize(
    "problems, before", [TRACK, *map(made_up, range(3))], ids=["the track", "forty", "forty others", "forty more"]
)
def test_arrows_lead_from_what_a_problem_builds_on_and_pass_no_other_box(problems, before, form):
    """In each part: what can be reached along arrows is what the lessons say, and what stands in another part is told
    in the box."""
    for part, members in parts_of(problems).items():
        svg = re.findall(r"<svg.*?</svg>", drawn(members, before, part), re.DOTALL)[form]
        numbers = {problem.number for problem in members}
        assert {*boxes(svg)} == numbers
        said = [(other, number) for number in numbers for other in before[number] if other in numbers]
        shown = [*arrows(svg)]
        assert {*shown} <= {*said}
        assert all(behind(shown, number) == behind(said, number) for number in numbers)
        for number in numbers:
            elsewhere = [str(other) for other in before[number] if other not in numbers]
            box = svg.partition(f"notebooks/{number}_")[2].partition("</a>")[0]
            assert not elsewhere or f"after {', '.join(elsewhere)}" in box


@pytest.mark.parametrize("most", [2, 3])
def test_a_row_has_room_and_stands_below_what_it_builds_on(most):
    for problems, before in (TRACK, made_up(7)):
        made = rows([problem.number for problem in problems], before, most)
        level = {number: index for index, row in enumerate(made) for number in row}
        assert len(level) == len(problems) and all(len(row) <= most for row in made)
        assert all(level[other] < level[number] for number, others in before.items() for other in others)
