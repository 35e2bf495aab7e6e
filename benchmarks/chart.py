"""A chart of bars, as SVG that is read on light ground and on dark."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

_WIDTH: Final = 720
_LEFT: Final = 110
#: What is left of a bar for its figure.
_RIGHT: Final = 90
_BAR: Final = 20
_STEP: Final = 26
_TOP: Final = 64
#: Characters of small text that fit on a line.
_SMALL: Final = 110

_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.group { font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.bar { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .small { fill: #9198a1 }
  .bar { fill: #6e7681 }
  .ours { fill: #4493f8 }
}
"""


def draw(figures: Mapping[str, float], names: Sequence[str], page_sizes: Sequence[int], ran_on: str) -> str:
    """Draw µs of CPU a message, by implementation, one group of bars for each page size.

    Args:
        figures: The figure of ``name page_size``.
        names: The implementations, from top to bottom; the last one stands out.
        page_sizes: The groups.
        ran_on: What it ran on, which goes below.
    """
    title = "CPU to read one message of a list, in µs: shorter is better"
    longest = max(figures.values())
    parts, y = [], _TOP
    for page_size in page_sizes:
        parts.append(f'<text class="group" x="12" y="{y}">{page_size:,} messages a page</text>')
        y += 10
        for name in names:
            figure = figures[f"{name} {page_size}"]
            width = max(figure / longest * (_WIDTH - _LEFT - _RIGHT), 1)
            kind = "ours" if name == names[-1] else "bar"
            parts += [
                f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
                f'<text x="{_LEFT + width + 6:.1f}" y="{y + 15}">{figure:.1f}</text>',
            ]
            y += _STEP
        y += 24
    for line in textwrap.wrap(ran_on, _SMALL):  # text in SVG does not break by itself
        parts.append(f'<text class="small" x="12" y="{y}">{escape(line)}</text>')
        y += 16
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}"',
            f' height="{y}" role="img" aria-labelledby="title">',
            f'<title id="title">{escape(title)}</title>',
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="12" y="28">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        )
    )
