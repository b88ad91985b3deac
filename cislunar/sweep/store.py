"""The folder of a sweep: rows kept as they come, whole or not at all, and what they belong to.

Rows go to small Parquet files, each written under another name, synced and renamed, so that a kill
or a power cut at any moment leaves only whole ones. When all is done they become one table.
"""

from __future__ import annotations

import glob
import json
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cislunar.products import MAKER, check_folder, read_manifest, write_whole
from cislunar.sweep.identity import MUST_BE_SAME
from orbits.errors import InputError

ROWS_A_FILE, SECONDS_A_FILE = 64, 2.0
TABLE, TIMES = "variants.parquet", "timings.parquet"


def arrow():
    """The module pyarrow; InputError in one line where the extra is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "sweeps need the extra 'distributed'",
            allowed="pip install cislunar-planner[distributed]",
        ) from None
    return pyarrow


class Store:
    """Rows of one sweep in its folder. One process at a time holds it.

    ``columns``: names of the axes and of the metrics, and which axes hold text.
    """

    def __init__(self, folder: Path, axes: dict[str, str], metrics: Sequence[str]):
        pa = arrow()
        self.folder = folder
        kinds = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64()}
        self.schema = pa.schema(
            [("variant", pa.int64()), ("key", pa.string())]
            + [(name, kinds[kind]) for name, kind in axes.items()]
            + [(name, pa.float64()) for name in metrics]
            + [("error", pa.string()), ("error_kind", pa.string()), ("wall_s", pa.float64())]
        )
        self._casts = {"text": str, "whole": int, "number": float}
        self._kinds = axes
        self._lock: Any = None
        self._new = False
        self._aside: Path | None = None
        self._waiting: list[dict[str, Any]] = []
        self._written = time.monotonic()

    # opening --------------------------------------------------------------------------------

    def open(self, identity: dict[str, Any], resume: bool) -> dict[str, Any]:
        """Takes the folder for a sweep; gives its manifest, a new one where nothing goes on.

        Raises InputError where another sweep is, or an unfinished one and ``resume`` is not said.
        """
        check_folder(self.folder)
        known = read_manifest(self.folder) if self.folder.exists() else None
        if known is not None and known.get("kind") == "sweep" and not resume:
            if known.get("state") != "finished":
                raise InputError(
                    "an unfinished sweep is there",
                    file=str(self.folder),
                    allowed="--resume, or another folder",
                )
            self._take()
            self._put_aside()
            known = None
        elif known is not None and known.get("kind") != "sweep":
            if resume:
                raise InputError("no sweep is there", file=str(self.folder), allowed="a sweep")
            self._put_aside()
            known = None
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take()
        if known is None:
            self.manifest = {
                "maker": MAKER,
                "kind": "sweep",
                "schema_version": 1,
                **identity,
                "state": "running",
            }
            self._new = True
            self.save_manifest()
        else:
            for key, what in MUST_BE_SAME:
                if known.get(key) != identity.get(key):
                    self.close()
                    raise InputError(
                        what,
                        file=str(self.folder),
                        allowed="the same trade, files and program, or another folder",
                    )
            self.manifest = known
        (self.folder / "parts").mkdir(exist_ok=True)
        (self.folder / "cache").mkdir(exist_ok=True)
        return self.manifest

    def _put_aside(self) -> None:
        self.close()
        self._aside = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex[:8]}.old")
        self.folder.rename(self._aside)

    def give_back(self) -> None:
        """Leaves the folder as it was before a new sweep that has no row yet: what was there, or
        nothing. Anything else stays."""
        self.flush()
        if not self._new or any((self.folder / "parts").glob("[0-9]*.parquet")):
            return
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._aside is not None and not self.folder.exists():
            self._aside.rename(self.folder)

    def _take(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on this system: two sweeps into one folder are the user's care
            return
        self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise InputError(
                "another process is sweeping into it",
                file=str(self.folder),
                allowed="another folder",
            ) from None

    def close(self) -> None:
        """Lets the folder go; what is waiting is written first."""
        self.flush()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def save_manifest(self) -> None:
        text = json.dumps(self.manifest, ensure_ascii=False, indent=2) + "\n"
        write_whole(self.folder / "manifest.json", text.encode())

    # rows -----------------------------------------------------------------------------------

    def as_column(self, name: str, value: Any) -> Any:
        """The value of an axis as its column holds it."""
        return None if value is None else self._casts[self._kinds[name]](value)

    def add(self, row: dict[str, Any]) -> None:
        """Keeps a row; it reaches the disk within seconds."""
        self._waiting.append(row)
        late = time.monotonic() - self._written > SECONDS_A_FILE
        if late or len(self._waiting) >= ROWS_A_FILE:
            self.flush()

    def flush(self) -> None:
        """Writes the waiting rows as one file."""
        if not self._waiting:
            return
        rows = sorted(self._waiting, key=lambda r: r["variant"])
        name = f"{rows[0]['variant']:08d}-{uuid.uuid4().hex[:8]}.parquet"
        write_whole(self.folder / "parts" / name, self._encoded(self._table(rows)))
        self._waiting = []
        self._written = time.monotonic()

    def _table(self, rows: Iterable[dict[str, Any]]):
        rows = list(rows)
        plain = [{n: r.get(n) for n in self.schema.names} for r in rows]
        return arrow().Table.from_pylist(plain, schema=self.schema)

    @staticmethod
    def _encoded(table) -> bytes:
        pa = arrow()
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(table, sink, row_group_size=1000, compression="zstd")
        return sink.getvalue().to_pybytes()

    def rows(self) -> dict[int, dict[str, Any]]:
        """Every row on the disk by variant."""
        pa = arrow()
        found: dict[int, dict[str, Any]] = {}
        merged = self.folder / TABLE
        files = sorted((self.folder / "parts").glob("[0-9]*.parquet"))
        if merged.exists():
            times = {}
            if (self.folder / TIMES).exists():
                times = {
                    r["variant"]: r["wall_s"]
                    for r in pa.parquet.read_table(self.folder / TIMES).to_pylist()
                }
            for row in pa.parquet.read_table(merged).to_pylist():
                found[row["variant"]] = {**row, "wall_s": times.get(row["variant"])}
        for path in files:
            for row in pa.parquet.read_table(path).to_pylist():
                found.setdefault(row["variant"], row)
        return found

    def finish(self, rows: dict[int, dict[str, Any]], more: dict[str, Any]) -> None:
        """Writes the one table of all rows in order, and says in the manifest that all is done."""
        self.flush()
        table = self._table(rows[number] for number in sorted(rows))
        write_whole(self.folder / TIMES, self._encoded(table.select(["variant", "wall_s"])))
        write_whole(self.folder / TABLE, self._encoded(table.drop_columns(["wall_s"])))
        self.manifest |= {**more, "state": "finished"}
        self.save_manifest()
        shutil.rmtree(self.folder / "parts", ignore_errors=True)
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        self._new = False
        for part in self.folder.glob(".*.part"):  # of a write that was killed
            part.unlink(missing_ok=True)
        self.close()
        for old in self.folder.parent.glob(f".{glob.escape(self.folder.name)}.????????.old"):
            if read_manifest(old) is not None:  # what stood here before, this or a killed start
                shutil.rmtree(old, ignore_errors=True)
