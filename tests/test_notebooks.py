"""Every notebook runs from top to bottom in a fresh kernel, and its kept outputs can be read."""

import base64
import io
import runpy
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import plotly.graph_objects as go
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def outputs(notebook):
    return [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]


@pytest.mark.filterwarnings("ignore")  # the kernel's own transport warns of its event loop
@by_name
def test_notebook_runs(path):
    run = runpy.run_path(str(FOLDER / "refresh.py"))["run"]
    kept, made = nbformat.read(path, as_version=4), run(path)
    # printed text may come in one piece or in several
    kinds = [[sorted(o.data) for o in outputs(n) if "data" in o] for n in (kept, made)]
    assert kinds[0] == kinds[1], "the kept outputs are of other cells: run notebooks/refresh.py"


@by_name
def test_kept_outputs_read_on_a_page(path):
    from PIL import Image

    assert path.stat().st_size < 3_000_000
    text = path.read_text(encoding="utf-8")
    assert "/work" not in text
    assert "cdn.plot.ly" not in text
    notebook = nbformat.read(path, as_version=4)
    made = outputs(notebook)
    assert not [o for o in made if o.output_type == "error"]
    assert not [o for o in made if o.output_type == "stream" and o.name == "stderr"]
    figures = [o.data for o in made if PLOTLY in o.get("data", {})]
    assert len(figures) >= 2
    for data in figures:
        go.Figure(data[PLOTLY])  # raises where it is no plotly figure
        picture = Image.open(io.BytesIO(base64.b64decode(data[PNG]))).convert("L")
        assert np.ptp(np.asarray(picture)) > 0  # something is drawn


@pytest.mark.parametrize("kind", ["bar", "heatmap", "scatter"])
def test_a_still_shows_what_the_figure_has(kind):
    from cislunar.plots.notebook import still_of

    figure = go.Figure(layout={"xaxis": {"title": {"text": "side"}}})
    if kind == "bar":
        figure.add_bar(x=["a", "b"], y=[3.0, 5.0], name="one")
        figure.add_bar(x=["b", "c"], y=[1.0, 2.0], name="two")
    elif kind == "heatmap":
        figure.add_heatmap(x=["a", "b"], y=["c"], z=[[1.0, 4.0]])
    else:
        figure.add_scatter(x=[0.0, 2.0], y=[3.0, 7.0], name="one")
    ax: Any = still_of(figure).axes[0]
    assert ax.get_xlabel() == "side"
    if kind == "bar":
        assert [patch.get_height() for patch in ax.patches] == [3.0, 5.0, 1.0, 2.0]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]
    elif kind == "heatmap":
        assert ax.images[0].get_array().tolist() == [[1.0, 4.0]]
    else:
        assert ax.lines[0].get_xydata().tolist() == [[0.0, 3.0], [2.0, 7.0]]


def test_no_still_of_a_globe():
    from cislunar.plots.notebook import still_of

    with pytest.raises(ValueError, match="scatter3d"):
        still_of(go.Figure(go.Scatter3d(x=[0], y=[0], z=[0])))
