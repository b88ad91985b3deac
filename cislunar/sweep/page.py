"""The report of a sweep: one page a language with its figures inside, and a summary in text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cislunar.products import write_whole
from cislunar.report.webfont import POLICY, with_signs
from cislunar.text import LANGUAGES
from orbits.errors import InputError

MOST_ROWS = 60
MOST_ERRORS = 3  # in the summary
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "variants": "variants", "failed": "failed", "best": "no other variant is better",
        "min": "least is best", "max": "most is best", "frontier": "Frontier",
        "effects": "What each axis does", "volume": "hypervolume", "reference": "up to",
        "metric": "metric", "how": "what it is", "errors": "Variants that failed",
        "table": "The best variants", "metrics": "Metrics", "trade": "Trade", "design": "design",
        "effects_note": "Dots are variants; the line is their mean at each value of the axis.",
        "cut": "The first {n} of {all} rows; all are in the sweep's folder.", "error": "error",
        "variant": "variant", "axes": "axes", "left_out": "left out by constraints",
        "searched_note": "Dots are variants, red ones those that no other beats. A search tries "
        "more of what is good: how many dots there are says nothing of an axis.",
        "no_value": "Variants in which a metric has no value are left out of it.",
        "not_shown": "Not drawn for want of room: {names}.",
        "one_of": "{all} variants are beaten by no other; of those equal in every objective the "
        "first is shown.",
    },
    "ja": {
        "variants": "案の数", "failed": "失敗", "best": "他に勝るもののない案",
        "min": "小さいほどよい", "max": "大きいほどよい", "frontier": "フロンティア",
        "effects": "各軸の効き方", "volume": "ハイパーボリューム", "reference": "基準点",
        "metric": "指標", "how": "内容", "errors": "失敗した案",
        "table": "最良の案", "metrics": "指標", "trade": "トレードスタディ", "design": "実験計画",
        "effects_note": "点は各案を、線は軸の値ごとの平均を示す。",
        "cut": "全{all}行のうち最初の{n}行を示す。全体は結果フォルダーにある。", "error": "エラー",
        "variant": "案", "axes": "軸", "left_out": "制約により除いた組合せ",
        "searched_note": "点は各案を、赤い点は他に勝るもののない案を示す。探索は良いものの近くを"
        "多く試すため、点の多さは軸の効き方を表さない。",
        "no_value": "指標の値がない案は、その図から除いてある。",
        "not_shown": "紙幅のため図示していないもの：{names}。",
        "one_of": "他に勝るもののない案は{all}件ある。全ての目的で等しいものは最初の1件のみ示す。",
    },
}  # fmt: skip
DESIGNS = {  # by the kind of a trade's design
    "factorial": {"en": "full factorial", "ja": "全組合せ"},
    "latin-hypercube": {"en": "Latin hypercube", "ja": "ラテン超方格"},
    "monte-carlo": {"en": "Monte Carlo", "ja": "モンテカルロ"},
    "rows": {"en": "written out", "ja": "個別指定"},
    "nsga2": {"en": "NSGA-II", "ja": "NSGA-II"},
}
PAGE = """<!doctype html>
<html lang="{{ lang }}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{ policy|safe }}">
<link rel="icon" href="data:,"><title>{{ title }}</title><style>
body{font-family:system-ui,'Hiragino Sans','Yu Gothic UI','Noto Sans JP',
IPAexGothic,sans-serif;color:#1b2430;
margin:2rem auto;max-width:72rem;padding:0 1rem;line-height:1.5}
table{border-collapse:collapse;font-size:.85rem}td,th{border-bottom:1px solid #d9dee5;
padding:.25rem .6rem;text-align:right}td.text,th.text{text-align:left}
img{max-width:100%;height:auto}.wide{overflow-x:auto}h2{margin-top:2rem}
</style></head><body>
<h1>{{ title }}</h1>{% if note %}<p>{{ note }}</p>{% endif %}
<p>{{ w.variants }}: {{ manifest.variants }} ({{ w.failed }}: {{ manifest.failed }}
{%- if manifest.left_out is defined and manifest.left_out %}, {{ w.left_out }}:
{{ manifest.left_out }}{% endif %}) ·
{{ w.design }}: {{ design }} · {{ w.axes }}: {{ axes|join(", ") }}
{% if manifest.hypervolume is defined %}<br>{{ w.volume }}:
{{ "%.6g"|format(manifest.hypervolume) }}
({{ w.reference }} {% for k, v in manifest.hypervolume_reference.items() %}{{ k }} =
{{ "%.6g"|format(v) }}{{ ", " if not loop.last }}{% endfor %}){% endif %}</p>
{% for name, data in figures.items() %}<h2>{{ w[name] }}</h2>
{% if name == "effects" %}<p>{{ notes|join(" ") }}</p>{% endif %}
<img alt="{{ w[name] }}" src="data:image/png;base64,{{ data }}">{% endfor %}
{% for head, columns, rows, total, note in tables %}<h2>{{ head }}</h2>
{% if note %}<p>{{ note }}</p>{% endif %}
{% if total > rows|length %}<p>{{ w.cut.format(n=rows|length, all=total) }}</p>{% endif %}
<div class="wide"><table><tr>{% for c in columns %}<th class="text">{{ c }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for value in row %}<td{{ ' class="text"'|safe if value is string }}>
{{- value }}</td>{% endfor %}</tr>{% endfor %}</table></div>{% endfor %}
</body></html>
"""


class _Number(float):
    """A number that shows four digits; text in a table is set to the left, numbers are not."""

    def __str__(self) -> str:
        whole = 1e4 <= abs(self) < 1e7
        return f"{float(self):,.0f}" if whole else f"{float(self):.4g}"


def _cell(value: Any) -> Any:
    import pandas as pd

    if isinstance(value, str):
        return value
    return "" if bool(pd.isna(value)) else _Number(value)


def _definition(metric: Any, words: dict[str, str]) -> str:
    if metric.expression is not None:
        return metric.expression
    if metric.function is not None:
        return metric.function
    if metric.cost_oku_jpy is not None:
        return ", ".join(f"{k}: {v}" for k, v in metric.cost_oku_jpy.items())
    bounds = [f"≥ {metric.at_least:g}"] if metric.at_least is not None else []
    bounds += [f"≤ {metric.at_most:g}"] if metric.at_most is not None else []
    where = [f"{k} = {v}" for k, v in metric.where.items()] + [metric.region or ""]
    return " ".join(filter(None, [str(metric.how), str(metric.of), *bounds, *where]))


def write_page(found: Any, languages: Sequence[str] = LANGUAGES) -> list[Path]:
    """Writes ``report.<language>.html``, figures as PNG and SVG; gives the pages' paths."""
    import jinja2

    from cislunar.sweep.plots import pictures

    unknown = [code for code in languages if code not in WORDS]
    if unknown:
        raise InputError(f"no text in language {unknown[0]!r}", allowed=", ".join(WORDS))
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        PAGE
    )
    trade, out = found.trade, []
    for code in languages:
        words = WORDS[code]
        drawn = pictures(found, words)
        (found.folder / "figures").mkdir(exist_ok=True)
        for name, forms in drawn.items():
            for form, content in forms.items():
                write_whole(found.folder / "figures" / f"{name}.{code}.{form}", content)
        title = trade.title or trade.name
        title = title.get(code) or next(iter(title.values())) if isinstance(title, dict) else title
        page = template.render(
            lang=code, policy=POLICY, w=words, title=title, note=trade.note,
            manifest=found.manifest,
            design=DESIGNS[trade.design.kind][code], axes=list(trade.axes),
            tables=_tables(found, words),
            notes=_notes(found, words),
            figures={n: base64.b64encode(f["png"]).decode() for n, f in drawn.items()},
        )  # fmt: skip
        path = found.folder / f"report.{code}.html"
        write_whole(path, with_signs(page).encode())
        out.append(path)
    return out


def _notes(found: Any, words: dict[str, str]) -> list[str]:
    """What a reader of the effects must know."""
    from cislunar.sweep.plots import shown

    searched = found.trade.design.kind == "nsga2"
    notes = [words["searched_note" if searched else "effects_note"]]
    metrics, axes = shown(found)
    if found.table[metrics].isna().any(axis=None):
        notes.append(words["no_value"])
    left = [m for m in found.trade.metrics if m not in metrics]
    left += [a for a in found.trade.axes if a not in axes and found.table[a].nunique() > 1]
    if left:
        notes.append(words["not_shown"].format(names=", ".join(left)))
    return notes


_Table = tuple[str, list[str], list[list[Any]], int, str | None]


def _tables(found: Any, words: dict[str, str]) -> list[_Table]:
    trade, table = found.trade, found.table
    shown = ["variant", *trade.axes, *trade.metrics]
    out: list[_Table] = []
    if trade.objectives:
        best, all_best = found.distinct_pareto, len(found.pareto)
        rows = [[_cell(v) for v in row] for row in best[shown].head(MOST_ROWS).to_numpy(object)]
        note = words["one_of"].format(all=all_best) if all_best > len(best) else None
        out.append((words["table"], shown, rows, len(best), note))
    told = [
        [name, _definition(m, words), words[trade.objectives[name]] if name in trade.objectives
         else ""]
        for name, m in trade.metrics.items()
    ]  # fmt: skip
    out.append((words["metrics"], [words["metric"], words["how"], ""], told, len(told), None))
    failed = table[table["error"].notna()]
    if len(failed):
        rows = [
            [_cell(v) for v in row]
            for row in failed[["variant", *trade.axes, "error"]].head(20).to_numpy(object)
        ]
        out.append((words["errors"], ["variant", *trade.axes, "error"], rows, len(failed), None))
    return out


def summary(found: Any) -> str:
    """A sweep in a few lines for a terminal."""
    about = found.manifest
    lines = [f"{about['variants']} variants, {about['failed']} failed"]
    if about.get("left_out"):
        lines[0] += f", {about['left_out']} left out by constraints"
    if found.trade.objectives:
        best = found.distinct_pareto
        if "hypervolume" in about:
            lines.append(f"{len(about['pareto'])} on the frontier, {len(best)} of them different, "
                         f"hypervolume {about['hypervolume']:.6g}")  # fmt: skip
        shown = ["variant", *found.trade.axes, *found.trade.metrics]
        if len(best):
            lines.append(best[shown].head(20).to_string(index=False, float_format=_four))
        else:
            lines.append("no variant has a value of every objective")
        if len(best) > 20:
            lines.append(f"... and {len(best) - 20} more, in the table")
    errors = found.table["error"].dropna().value_counts()
    for error, count in list(errors.items())[:MOST_ERRORS]:
        lines.append(f"failed {count}: {error}")
    if len(errors) > MOST_ERRORS:
        lines.append(f"... and {len(errors) - MOST_ERRORS} other errors, in the table")
    return "\n".join(lines)


def _four(value: float) -> str:
    return f"{value:.4g}"
