"""Curves as SVG: both axes logarithmic, so that what grows as its cause does is
a line of slope 1, drawn beside them."""

import html
import math

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 40, 50
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e")

STYLE = ("text{font:12px sans-serif;fill:#333}.t{font-size:14px;"
         "font-weight:bold}line.g{stroke:#ddd}polyline{fill:none;"
         "stroke-width:2}.one{stroke:#999;stroke-dasharray:4 4;"
         "stroke-width:1}")


def decades(values):
    """The powers of ten around them: first, last."""
    low = math.floor(math.log10(min(values)))
    return low, max(math.ceil(math.log10(max(values))), low + 1)


def power(exponent):
    return f"{10 ** exponent:,}" if 0 <= exponent < 7 else f"1e{exponent}"


class Axes:
    def __init__(self, xs, ys):
        self.x, self.y = decades(xs), decades(ys)

    def at_x(self, value):
        low, high = self.x
        return LEFT + (math.log10(value) - low) / (high - low) * (
            WIDTH - LEFT - RIGHT)

    def at_y(self, value):
        low, high = self.y
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (
            HEIGHT - TOP - BOTTOM)

    def grid(self):
        for exponent in range(self.x[0], self.x[1] + 1):
            x = self.at_x(10.0 ** exponent)
            yield (f'<line class="g" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" '
                   f'y2="{HEIGHT - BOTTOM}"/>')
            yield (f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" '
                   f'text-anchor="middle">{power(exponent)}</text>')
        for exponent in range(self.y[0], self.y[1] + 1):
            y = self.at_y(10.0 ** exponent)
            yield (f'<line class="g" x1="{LEFT}" y1="{y:.1f}" '
                   f'x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
            yield (f'<text x="{LEFT - 8}" y="{y + 4:.1f}" '
                   f'text-anchor="end">{power(exponent)}</text>')

    def slope_one(self):
        """From the middle of the left side, as far as it goes."""
        begin = sum(self.y) / 2
        length = min(self.x[1] - self.x[0], self.y[1] - begin)
        x, y = 10.0 ** self.x[0], 10.0 ** begin
        return (f'<line class="one" x1="{self.at_x(x):.1f}" '
                f'y1="{self.at_y(y):.1f}" '
                f'x2="{self.at_x(x * 10 ** length):.1f}" '
                f'y2="{self.at_y(y * 10 ** length):.1f}"/>')


def svg(title, x_title, y_title, series):
    """series: {name: [(x, y), ...]}; what is not above 0 is left out."""
    series = {name: [(x, y) for x, y in points if x > 0 and y > 0]
              for name, points in series.items()}
    everything = [point for points in series.values() for point in points]
    if not everything:
        raise RuntimeError(f"nothing to plot: {title}")
    axes = Axes(*zip(*everything))
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" '
             f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
             f"<title>{html.escape(title)}</title><style>{STYLE}</style>",
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text class="t" x="{LEFT}" y="22">{html.escape(title)}</text>',
             *axes.grid(), axes.slope_one(),
             f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" '
             f'text-anchor="middle">{html.escape(x_title)}</text>',
             f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) '
             f'rotate(-90)" text-anchor="middle">{html.escape(y_title)}</text>']
    for n, (name, points) in enumerate(series.items()):
        colour = COLOURS[n % len(COLOURS)]
        path = " ".join(f"{axes.at_x(x):.1f},{axes.at_y(y):.1f}"
                        for x, y in points)
        lines.append(f'<polyline stroke="{colour}" points="{path}"/>')
        lines += [f'<circle cx="{axes.at_x(x):.1f}" cy="{axes.at_y(y):.1f}" '
                  f'r="3" fill="{colour}"/>' for x, y in points]
        lines.append(f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 14 + 20 * n}" '
                     f'style="fill:{colour}">{html.escape(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])
