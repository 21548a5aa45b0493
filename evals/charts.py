"""Small charts as SVG that stands inside a page: no script, colours from the page's style sheet, so that they follow
light and dark. Series differ by dash and mark, never by colour alone, and each chart says in words what it shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

WIDTH, HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 12, 44
_DASHES = ("", "7 4", "2 4", "10 3 2 3", "1 3")
_MARKS = ("circle", "square", "diamond", "triangle", "cross")


@dataclass(frozen=True, slots=True)
class Series:
    """A named line through points."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Bar:
    """A named value with its interval, and marks beside it (a name and a value each) to compare it with."""

    name: str
    value: float
    low: float
    high: float
    beside: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its caption and what a reader who does not see it should know."""

    caption: str
    told: str
    svg: str


def lines(caption: str, told: str, series: Sequence[Series], x_label: str, y_label: str, *, even: str = "") -> Chart:
    """Lines over the unit square; `even` names a diagonal for comparison: "up" is y = x, "" none."""
    parts = list(_frame(x_label, y_label))
    if even == "up":
        parts.append(f'<path class="even" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>')
    for index, each in enumerate(series):
        path = "L".join(f"{_x(x)} {_y(y)}" for x, y in each.points)
        parts.append(f'<path class="line s{index % 5}" stroke-dasharray="{_DASHES[index % 5]}" d="M{path}"/>')
        step = max(1, len(each.points) // 10)
        parts += [_mark(index, _x(x), _y(y)) for x, y in each.points[::step]]
    parts += _legend([each.name for each in series])
    return Chart(caption, told, _svg(caption, told, parts, HEIGHT + 20 * len(series)))


def dots(caption: str, told: str, bars: Sequence[Bar], low: float) -> Chart:
    """A row for each value: its interval as a line, the value as a dot, what it is compared with as other marks."""
    row, left = 34, 96
    height = row * len(bars) + 34
    width = WIDTH - left - 20

    def at(value: float) -> float:
        return round(left + width * (min(max(value, low), 1.0) - low) / (1 - low), 1)

    parts = []
    for tick in range(6):
        value = low + (1 - low) * tick / 5
        parts.append(f'<path class="grid" d="M{at(value)} 6V{height - 26}"/>')
        parts.append(f'<text class="tick" x="{at(value)}" y="{height - 10}" text-anchor="middle">{value:.2f}</text>')
    names: list[str] = []
    for index, each in enumerate(bars):
        y = row * index + 22
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(each.name)}</text>')
        parts.append(f'<path class="line s0" d="M{at(each.low)} {y}H{at(each.high)}"/>{_mark(0, at(each.value), y)}')
        for place, (name, value) in enumerate(each.beside, 1):
            names += [name] if name not in names else []
            parts.append(_mark(place, at(value), y))
    keys = _legend(["value, with its 95% interval", *names], top=height)
    return Chart(caption, told, _svg(caption, told, [*parts, *keys], height + 20 * (len(names) + 1)))


def _frame(x_label: str, y_label: str) -> Iterator[str]:
    for tick in range(6):
        value = tick / 5
        yield f'<path class="grid" d="M{_x(0)} {_y(value)}H{_x(1)}M{_x(value)} {_y(0)}V{_y(1)}"/>'
        yield f'<text class="tick" x="{_x(value)}" y="{_y(0) + 16}" text-anchor="middle">{value:.1f}</text>'
        yield f'<text class="tick" x="{_x(0) - 6}" y="{_y(value) + 4}" text-anchor="end">{value:.1f}</text>'
    yield f'<text x="{_x(0.5)}" y="{_y(0) + 34}" text-anchor="middle">{escape(x_label)}</text>'
    yield (f'<text transform="translate(12 {_y(0.5)}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>')


def _legend(names: Sequence[str], top: int = HEIGHT) -> list[str]:
    found = []
    for index, name in enumerate(names):
        y = top + 20 * index + 10
        dash = _DASHES[index % 5]
        found.append(f'<path class="line s{index % 5}" stroke-dasharray="{dash}" d="M{_LEFT} {y}h34"/>')
        found.append(f'{_mark(index, _LEFT + 17, y)}<text x="{_LEFT + 44}" y="{y + 4}">{escape(name)}</text>')
    return found


def _mark(index: int, x: float, y: float) -> str:
    shapes = {
        "circle": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
        "square": "m-4 -4h8v8h-8z",
        "diamond": "m0 -5l5 5l-5 5l-5 -5z",
        "triangle": "m0 -5l5 9h-10z",
        "cross": "m-4 -4l8 8m0 -8l-8 8",
    }
    return f'<path class="mark s{index % 5}" d="M{x} {y}{shapes[_MARKS[index % 5]]}"/>'


def _svg(caption: str, told: str, parts: Sequence[str], height: int) -> str:
    name = escape(f"{caption}. {told}", quote=True)
    return f'<svg role="img" aria-label="{name}" viewBox="0 0 {WIDTH} {height}">{"".join(parts)}</svg>'


def _x(value: float) -> float:
    return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * value, 1)


def _y(value: float) -> float:
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value, 1)
