# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the table and the picture of docs/what_each_stage_buys.md from the manifests of a pipeline's runs, one per seed.

usage: what_each_stage_buys.py PIPELINE_FOLDER... [--measure ndcg@10] [--page docs/what_each_stage_buys.md]

Stages of the command evaluate are shown in their order, by their names without "-figures". The picture lies beside the page, in figures/.
"""
import argparse
import html
import json
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def figures_of(folder, measure):
    """Stage -> measured value, of one run of the pipeline."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    found = {}
    for stage in manifest["stages"]:
        measures = stage.get("figures", {}).get("measures", {})
        if measures and measure not in measures:
            sys.exit(f"{folder}: the stage {stage['name']} has no {measure}; it has {', '.join(measures)}")
        if measures:
            found[stage["name"].removesuffix("-figures")] = measures[measure]
    if not found:
        sys.exit(f"{folder}: no stage evaluates")
    return found


def table(rows, measure, seeds):
    """rows: stage, mean, standard deviation or None."""
    column = f"spread over {seeds} seeds" if seeds > 1 else "spread (one seed)"
    lines = [f"| stage | {measure} | {column} | against the stage before |", "|---|---|---|---|"]
    for number, (stage, mean, spread) in enumerate(rows):
        gain = "" if number == 0 else f"{mean - rows[number - 1][1]:+.4f}"
        lines.append(f"| {stage} | {mean:.4f} | {'-' if spread is None else f'{spread:.4f}'} | {gain} |")
    return "\n".join(lines) + "\n"


def picture(rows, measure):
    """Bars with their spread, as SVG."""
    left, width, bar, gap, top = 190, 420, 22, 12, 34
    height = top + len(rows) * (bar + gap) + 10
    most = max(mean + (spread or 0) for _, mean, spread in rows) or 1
    made = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" font-family="sans-serif" font-size="13">',
            f"<title>{html.escape(measure)} after each stage</title>", '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="{left}" y="20" font-weight="bold">{html.escape(measure)} after each stage</text>']
    for number, (stage, mean, spread) in enumerate(rows):
        y = top + number * (bar + gap)
        end = left + width * mean / most
        made.append(f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{html.escape(stage)}</text>')
        made.append(f'<rect x="{left}" y="{y}" width="{end - left:.1f}" height="{bar}" fill="#0072b2"/>')
        label = end
        if spread:
            low, high = left + width * (mean - spread) / most, left + width * (mean + spread) / most
            made.append(f'<line x1="{low:.1f}" y1="{y + bar / 2}" x2="{high:.1f}" y2="{y + bar / 2}" stroke="#d55e00" stroke-width="3"/>')
            label = high
        made.append(f'<text x="{label + 6:.1f}" y="{y + 16}">{mean:.3f}</text>')
    return "\n".join([*made, "</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--measure", default="ndcg@10")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs/what_each_stage_buys.md")
    given = parser.parse_args()
    runs = [figures_of(folder, given.measure) for folder in given.folders]
    if any(list(run) != list(runs[0]) for run in runs):
        sys.exit("the folders are of different pipelines")
    rows = []
    for stage in runs[0]:
        values = [run[stage] for run in runs]
        rows.append((stage, statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None))
    page = given.page.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    image = given.page.parent / "figures" / f"{given.page.stem}.svg"
    image.parent.mkdir(exist_ok=True)
    image.write_text(picture(rows, given.measure), encoding="utf-8")
    shown = f"{table(rows, given.measure, len(runs))}\n![{given.measure} after each stage](figures/{image.name})\n"
    given.page.write_text(f"{before}{BEGIN}{shown}{END}{after}", encoding="utf-8")
    print(shown, end="")


if __name__ == "__main__":
    main()
