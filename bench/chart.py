"""The chart of compare.py's results: a bar for each model and thread count."""
from tables import geomean, measured, ratio, runtime_titles

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")
BAR, GAP, LEFT, UNIT = 9, 8, 210, 190  # pixels; UNIT: a ratio of 1


def svg(results):
    """The better peer's latency divided by ours, so that 1 is a draw; the geometric mean on top."""
    threads = [str(count) for count in results["settings"]["threads"]]
    rows = sorted(((name, [ratio(result["threads"][count]) for count in threads]) for name, result in measured(results).items()), key=lambda row: -row[1][-1])
    if rows:
        rows.insert(0, ("geometric mean", [geomean(values) for values in zip(*(values for _, values in rows))]))
    step = BAR * len(threads) + GAP
    most = min(max([2.0, *(value for _, values in rows for value in values)]), 5.0)  # longer bars are cut: their number tells
    width, height = LEFT + int(most * UNIT) + 60, 46 + step * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for index, count in enumerate(threads):
        x = LEFT + 110 * index
        parts.append(f'<rect x="{x}" y="8" width="10" height="10" fill="{COLOURS[index % 4]}"/><text x="{x + 15}" y="17">{count} thread{"s" if int(count) > 1 else ""}</text>')
    peers = " and ".join(runtime_titles(results)[1:])
    peers = f"the better of {peers}" if len(results["settings"]["peers"]) > 1 else peers
    parts.append(f'<text x="{LEFT + 110 * len(threads)}" y="17">speed of Tenon, {peers} being 1</text>')
    for row, (name, values) in enumerate(rows):
        top, weight = 34 + row * step, "bold" if row == 0 else "normal"
        parts.append(f'<text x="{LEFT - 6}" y="{top + step / 2}" text-anchor="end" font-weight="{weight}">{name}</text>')
        for index, value in enumerate(values):
            y, length = top + index * BAR, min(value, most) * UNIT
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR - 1}" fill="{COLOURS[index % 4]}"/><text x="{LEFT + length + 4:.0f}" y="{y + BAR - 1}" font-size="9">{value:.2f}</text>')
    parts.append(f'<line x1="{LEFT + UNIT}" y1="26" x2="{LEFT + UNIT}" y2="{height - 8}" stroke="black" stroke-dasharray="3,3"/>')
    return "\n".join([*parts, "</svg>", ""])
