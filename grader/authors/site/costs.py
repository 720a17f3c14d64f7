"""The picture of the chapter on long sequences: drawn from the table of costs that stands on its page."""

from __future__ import annotations

import base64
import io
import math
import re
import textwrap

MARK = "<!-- the picture -->"
UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
ALT = (
    "Two panels against the length, both axes logarithmic. Left, the largest array in the program of the gradient: "
    "dense, blockwise and packed attention rise with the square of the length, all others as the length. Right, the "
    "arithmetic operations: exact attention over all keys rises with the square, in blocks or not; window, band, "
    "blocks, linear attention, retention and low rank rise as the length."
)
CAPTION = (
    "Left: what has to be there at once, when one trains. Right: how much is computed. Where the length "
    "doubles, lines of slope 1 double and lines of slope 2 quadruple."
)


def put_into(text: str) -> str:
    """The page with the picture where its mark stands."""
    if MARK not in text:
        return text
    picture = base64.b64encode(drawn(*read(text))).decode()
    figure = (
        f'<div class="cell_output"><figure><img alt="{ALT}" src="data:image/svg+xml;base64,{picture}">'
        f"<figcaption>{CAPTION}</figcaption></figure></div>"
    )
    return text.replace(MARK, f"````{{raw}} html\n{figure}\n````")


def read(text: str) -> tuple[list[int], dict[str, list[float]]]:
    """The lengths of the table, and of each mechanism its nine numbers."""
    lengths, rows = [], {}
    for line in text.splitlines():
        numbers = re.findall(r"(?<=\s)(\d+(?:\.\d)?)([kMGT]?)(?=\s|$)", line)
        if re.fullmatch(r"(\s+\d+){9}\s*", line):
            lengths = [int(number) for number, _ in numbers[:3]]
        elif lengths and len(numbers) >= 9:
            name = re.split(r"\s{2,}", line.strip())[0]
            rows[name] = [float(number) * UNITS[unit] for number, unit in numbers[-9:]]
    return lengths, rows


def drawn(lengths: list[int], rows: dict[str, list[float]]) -> bytes:
    """The two panels as SVG, the same for the same numbers."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "costs", "svg.fonttype": "path", "font.size": 10}):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.6, 4.6), layout="constrained")
        panels = figure.subplots(1, 2)
        for panel, title, first in zip(panels, ("largest array, in training", "arithmetic operations"), (3, 6)):
            panel.set_title(title)
            lines = _alike({name: numbers[first : first + 3] for name, numbers in rows.items()})
            for values in lines.values():
                steep = values[-1] / values[0] > (lengths[-1] / lengths[0]) ** 1.5
                panel.loglog(lengths, values, color="#b5422c" if steep else "#2c6db5", marker="o", markersize=3)
            _label(panel, lengths, lines)
            panel.set_xticks(lengths, [str(length) for length in lengths])
            panel.minorticks_off()
            panel.set_xlabel("length")
            panel.set_xlim(lengths[0], lengths[-1] * 7)
            panel.spines[["top", "right"]].set_visible(False)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _alike(rows: dict[str, list[float]]) -> dict[str, list[float]]:
    """What lies on one line for the eye has one, with all its names."""
    lines: list[tuple[list[str], list[float]]] = []
    for name, values in rows.items():
        for names, others in lines:
            if all(0.8 < one / other < 1.25 for one, other in zip(values, others)):
                names.append(name)
                break
        else:
            lines.append(([name], values))
    return {", ".join(names): values for names, values in lines}


def _label(panel, lengths: list[int], lines: dict[str, list[float]]) -> None:
    """The names at the right ends of their lines, moved up where two would overlap."""
    bottom, top = panel.get_ylim()
    place = -1.0
    for names, values in sorted(lines.items(), key=lambda line: line[1][-1]):
        place = max(math.log(values[-1] / bottom) / math.log(top / bottom), place + 0.06)
        panel.annotate(
            textwrap.fill(names, 34), (lengths[-1] * 1.15, bottom * (top / bottom) ** place), fontsize=8, va="center"
        )
