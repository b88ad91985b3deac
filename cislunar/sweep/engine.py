"""Runs the variants of a trade on Dask workers; what is finished is never computed again."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cislunar.outside import outside_allowed
from cislunar.products import read_manifest, reading
from cislunar.sweep.designs import axis_values, label, left_out
from cislunar.sweep.identity import Marks, files_hash, identity, marks_of
from cislunar.sweep.metrics import depth
from cislunar.sweep.one import RETRY, row_of
from cislunar.sweep.pareto import costs_of, hypervolume, nondominated, reference_point
from cislunar.sweep.store import TABLE, Store, arrow
from cislunar.sweep.trade import Trade
from cislunar.sweep.variants import check_trade, key_of, read_base
from orbits.errors import ComputationError, InputError
from orbits.show import html_table

if TYPE_CHECKING:
    import pandas as pd

WAITING_A_WORKER = 3  # variants in a worker's queue; more would only hold memory
LOOK_S = 5.0  # between looks how many workers there are
SCHEMES = ("tcp", "tls", "ws", "wss")  # of addresses of a scheduler
MOST_LOST = 3  # times that a variant is sent again where its scheduler was away

Values = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """A finished sweep: its folder, one row a variant, and what the manifest says."""

    folder: Path
    table: pd.DataFrame
    manifest: dict[str, Any]

    @property
    def trade(self) -> Trade:
        return Trade(**self.manifest["trade"])

    @property
    def pareto(self) -> pd.DataFrame:
        """The rows that no other beats in the trade's objectives."""
        objectives = self.trade.objectives
        columns = {name: self.table[name].tolist() for name in objectives}
        costs, has = costs_of(columns, objectives)
        rows = self.table[has]
        return rows.loc[nondominated(costs)]

    @property
    def distinct_pareto(self) -> pd.DataFrame:
        """Of ``pareto`` one of those equal in every objective, the first; ordered by objectives."""
        names = list(self.trade.objectives)
        if not names:
            return self.table.head(0)
        return self.pareto.drop_duplicates(names).sort_values(names, kind="stable")

    def __repr__(self) -> str:
        return f"Sweep({self.manifest.get('name')}: {len(self.table)} variants in {self.folder})"

    def _repr_html_(self) -> str:
        about = {k: self.manifest.get(k) for k in ("name", "variants", "failed", "hypervolume")}
        return html_table(about) + self.table.head(20).to_html()


def load_sweep(folder: str | os.PathLike) -> Sweep:
    """The finished sweep in a folder. Raises InputError where there is none."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("kind") != "sweep":
        raise InputError("no sweep is there", file=str(folder), allowed="the folder of a sweep")
    if manifest.get("state") != "finished":
        raise InputError(
            "the sweep is not finished",
            file=str(folder),
            allowed="cislunar sweep ... --resume first",
        )
    arrow()
    import pandas as pd

    with reading(folder):
        return Sweep(folder, pd.read_parquet(folder / TABLE), manifest)


def _kinds(trade: Trade, rows: list[Values]) -> dict[str, str]:
    """What each axis's column holds: whole numbers, numbers or text."""
    names = list(trade.axes) + sorted({n for r in rows for n in r} - set(trade.axes))
    kinds = {}
    for name in names:
        axis = trade.axes.get(name)
        if axis is not None and axis.values is None and trade.design.kind != "rows":
            values = [1 if axis.whole else 0.5] if axis.continuous else axis_values(axis)
        else:
            values = [label(axis, r[name]) for r in rows if name in r]
            values = values or [label(axis, v) for v in (axis.values if axis else None) or ()]
        if all(isinstance(v, int) and abs(v) < 2**63 for v in values):
            kinds[name] = "whole"
        elif all(isinstance(v, (int, float)) and abs(v) < 1e300 for v in values):
            kinds[name] = "number"
        else:
            kinds[name] = "text"
    return kinds


class _Teller:
    """Progress with the time left: a bar for a reader, else a line now and then."""

    def __init__(self, total: int, done: int, quiet: bool):
        self.total, self.done, self.before, self.failed = total, done, done, 0
        self.quiet, self.said = quiet, 0.0
        self.start: float | None = None  # when the first variant was there
        self.live = not quiet and hasattr(sys.stderr, "isatty") and sys.stderr.isatty()

    def say(self, line: str) -> None:
        if not self.quiet:
            print(f"\r{line}\x1b[K" if self.live else line, file=sys.stderr, flush=True)

    def one(self, failed: bool) -> None:
        now = time.monotonic()
        if self.start is None:  # what workers need to begin with says nothing of the rest
            self.start, self.before = now, self.done + 1
        self.done += 1
        self.failed += failed
        if self.quiet or (self.done < self.total and now - self.said < (0.3 if self.live else 15)):
            return
        self.said = now
        text = f"{self.done} of {self.total} variants, {self.failed} failed"
        if since := self.done - self.before:
            hours, rest = divmod(round((now - self.start) / since * (self.total - self.done)), 3600)
            text += f", {hours}:{rest // 60:02d}:{rest % 60:02d} left"
        end = "\n" if not self.live or self.done == self.total else ""
        print(f"\r{text}\x1b[K" if self.live else text, end=end, file=sys.stderr, flush=True)


@contextmanager
def _client(workers: int, processes: bool, scheduler: str | None) -> Iterator[Any]:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "sweeps need the extra 'distributed'",
            allowed="pip install cislunar-planner[distributed]",
        ) from None
    import logging

    if scheduler is not None:
        with _quiet("distributed.client"):  # it would tell, at length, what is told in one line
            try:
                _check_address(scheduler)
                client = distributed.Client(scheduler, timeout="10s", set_as_default=False)
            except (OSError, ValueError, TypeError, TimeoutError) as fault:
                raise InputError(
                    f"no scheduler answers ({fault})",
                    key="--scheduler",
                    value=scheduler,
                    allowed="the address of a Dask scheduler",
                ) from None
            with client:
                yield client
        return
    with _deaf_to_interrupts():
        cluster = distributed.LocalCluster(
            n_workers=workers if processes else 1,
            threads_per_worker=1 if processes else workers,
            processes=processes,
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        if processes:
            client.register_plugin(_printing_to_stderr())
        yield client


def _printing_to_stderr() -> Any:
    """A plugin of worker processes: what a user's metric prints is no result on stdout."""
    from distributed import WorkerPlugin

    class ToStderr(WorkerPlugin):
        name = "to-stderr"

        def setup(self, worker: Any) -> None:
            sys.stdout = sys.stderr

    return ToStderr()


def _check_address(scheduler: str) -> None:
    """ValueError for what is no address, before a client is begun that would tell its end."""
    from distributed.comm.addressing import get_address_host, parse_address
    from distributed.security import Security

    scheme = parse_address(scheduler)[0]
    if scheme not in SCHEMES:
        raise ValueError(f"unknown address scheme {scheme!r} (known schemes: {', '.join(SCHEMES)})")
    get_address_host(scheduler)
    if scheme in ("tls", "wss") and not Security().get_connection_args("client")["ssl_context"]:
        raise ValueError("Dask's configuration names no certificates for TLS")


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Says nothing of what one logger is told."""
    import logging

    told = logging.getLogger(logger)
    before = told.level
    told.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        told.setLevel(before)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started within do not hear Ctrl-C, which a terminal sends to them too.

    The sweep hears it and ends them; else each would tell of its own end, at length.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only there may a program say what it hears
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _row_in(future: Any) -> tuple[Values | None, Any]:
    """The row that a future holds, or None and why there is none. TimeoutError where it is lost."""
    try:
        if future.status == "finished":
            return future.result(timeout=LOOK_S), None
        return None, future.exception() if future.status == "error" else "cancelled"
    except TimeoutError:
        raise
    except Exception as fault:  # the scheduler went between the two
        return None, fault


class Runner:
    """Computes variants on workers and keeps their rows; those kept already are only looked up."""

    def __init__(
        self,
        trade: Trade,
        text: str,
        folder: Path,
        file: str | None,
        store: Store,
        rows: dict[int, Values],
        functions: Mapping[str, Callable] | None,
        marks: Marks,
    ):
        self.trade, self.text, self.folder, self.file = trade, text, folder, file
        self.store, self.rows, self.functions, self.marks = store, rows, functions, marks
        self.client: Any = None
        self.teller: _Teller | None = None
        self.in_flight = 1
        self._looked = time.monotonic()
        self._waits = False

    def run(self, wanted: list[tuple[int, Values]]) -> None:
        """Fills ``rows`` with the variants of ``wanted``: numbers and values.

        Raises ComputationError, when all others are done, for those that no worker computed.
        """
        keys = {n: key_of(v) for n, v in wanted}
        values_of = dict(wanted)
        todo = []
        for n, _ in wanted:
            known = self.rows.get(n)
            if known is None or known["error_kind"] == RETRY:
                todo.append(n)
            elif known["key"] != keys[n]:
                raise InputError(
                    f"variant {n} was another one",
                    file=str(self.store.folder),
                    allowed="a sweep of the same design",
                )
        if not todo:
            return
        from distributed import as_completed

        waiting = deque(todo)
        cache = str((self.store.folder / "cache").resolve())

        def submit(n: int):
            return self.client.submit(
                row_of,
                self.text,
                str(self.folder),
                self.file,
                n,
                values_of[n],
                cache,
                self.marks,
                self.functions,
                outside_allowed(),
                key=f"variant-{n}-{keys[n]}-{os.urandom(4).hex()}",
                pure=False,
            )

        number_of: dict[Any, int] = {}
        sent_again: Counter[int] = Counter()
        flying = as_completed(loop=self.client.loop)
        while waiting or number_of:
            while waiting and len(number_of) < self.in_flight:
                n = waiting.popleft()
                future = submit(n)
                number_of[future.key] = n
                flying.add(future)
            while not flying.has_ready():
                time.sleep(0.01)
                self._look()
            future = next(flying)
            n = number_of.pop(future.key)
            try:
                row, fault = _row_in(future)
            except TimeoutError:  # the worker that has it is gone: another computes it again
                number_of[future.key] = n
                flying.add(future)
                self._look()
                continue
            died = future.status == "error"  # and so did each worker that tried it
            del future
            if row is None and not died and sent_again[n] < MOST_LOST:
                self._await_scheduler()
                sent_again[n] += 1
                waiting.appendleft(n)
                continue
            row = row or {
                "variant": n,
                "metrics": {},
                "error": f"its worker was lost ({fault})"[:500],
                "error_kind": RETRY,
                "wall_s": None,
            }
            self._keep(row, values_of[n], keys[n])
        lost = [n for n in todo if self.rows[n]["error_kind"] == RETRY]
        if lost:
            raise ComputationError(
                f"{len(lost)} variants are not computed ({self.rows[lost[0]]['error']}); "
                "--resume runs them again"
            )

    def _look(self) -> None:
        """Looks now and then how many workers there are: a cluster grows and shrinks."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        try:
            threads = sum(self.client.nthreads().values())
        except Exception:  # of a scheduler that is away: who waits for its variants learns it
            threads = None
        self._looked = time.monotonic()
        if threads:
            self.in_flight = WAITING_A_WORKER * threads
        if threads == 0 and not self._waits and self.teller is not None:
            self.teller.say("no worker is there: waiting for one")
        self._waits = threads == 0

    def _await_scheduler(self) -> None:
        """Waits for a scheduler that is away; ComputationError where it does not come back."""
        while self.client.status in ("connecting", "newly-connected"):
            time.sleep(0.1)
        if self.client.status != "running":
            raise ComputationError(
                "the scheduler was lost; what is finished is kept, --resume goes on with the rest"
            )

    def _keep(self, row: Values, values: Values, key: str) -> None:
        shown = {
            n: self.store.as_column(n, label(self.trade.axes.get(n), v)) for n, v in values.items()
        }
        kept = {
            "variant": row["variant"],
            "key": key,
            **shown,
            **row["metrics"],
            "error": row["error"],
            "error_kind": row["error_kind"],
            "wall_s": row["wall_s"],
        }
        for name in self.store.schema.names:
            kept.setdefault(name, None)
        self.rows[row["variant"]] = kept
        if row["error_kind"] != RETRY:
            self.store.add(kept)
        if self.teller is not None:
            self.teller.one(row["error"] is not None)


def sweep(
    trade: Trade,
    folder: str | os.PathLike,
    *,
    trade_folder: str | os.PathLike = ".",
    file: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    quiet: bool = False,
    functions: Mapping[str, Callable[[Any], float]] | None = None,
) -> Sweep:
    """The rows of a trade's variants, computed into ``folder``.

    ``trade_folder``: what the trade's own paths start from. ``workers``: how many variants at once
    (default all cores); ``scheduler``: address of a Dask scheduler instead. ``resume`` goes on with
    what is there. ``functions``: metrics of the trade given as Python objects, by name.

    Raises InputError for what the files or the folder get wrong. A variant that fails is a row.
    """
    if scheduler is not None and workers is not None:
        raise InputError(
            "a scheduler has workers of its own",
            key="--workers",
            value=workers,
            allowed="--workers or --scheduler, not both",
        )
    folder, trade_folder = Path(folder), Path(trade_folder).resolve()
    arrow()
    designed = check_trade(trade, trade_folder, file)
    text = trade.model_dump_json(exclude_unset=True)
    base = read_base(trade, trade_folder, file)
    began = identity(trade, text, base, functions, trade_folder)
    optimising = trade.design.kind == "nsga2"
    store = Store(folder, _kinds(trade, designed), list(trade.metrics))
    manifest = store.open(began, resume)
    try:
        rows = store.rows()
        if manifest["state"] == "finished":
            store.close()
            return load_sweep(folder)
        count = workers or os.cpu_count() or 1
        processes = depth(trade) != "maps" if trade.processes is None else trade.processes
        marks = marks_of(began, trade, trade_folder, functions)
        runner = Runner(trade, text, trade_folder, file, store, rows, functions, marks)
        total = trade.most_variants(len(designed))
        runner.teller = _Teller(total, len(rows), quiet)
        if optimising or len(rows) < total:
            with _client(count, processes, scheduler) as client:
                runner.client = client
                threads = sum(client.nthreads().values())
                if not threads:
                    runner.teller.say("the scheduler has no worker yet: waiting for one")
                runner.in_flight = WAITING_A_WORKER * (threads or count)
                if optimising:
                    from cislunar.sweep.optimise import optimise

                    optimise(trade, runner)
                else:
                    runner.run(list(enumerate(designed)))
        if files_hash(trade, base) != began["files_sha256"]:
            raise ComputationError(
                "files that the scenarios read were changed while the sweep ran: its rows are of "
                "both, so sweep again"
            )
        store.finish(rows, _outcome(trade, rows) | {"left_out": left_out(trade, designed)})
    except BaseException:
        store.give_back()
        raise
    finally:
        store.close()
    return load_sweep(folder)


def _outcome(trade: Trade, rows: Mapping[int, Values]) -> dict[str, Any]:
    """What the manifest says of a finished sweep."""
    out: dict[str, Any] = {
        "variants": len(rows),
        "failed": sum(r["error"] is not None for r in rows.values()),
    }
    if trade.objectives:
        ordered = [rows[n] for n in sorted(rows)]
        columns = {name: [r[name] for r in ordered] for name in trade.objectives}
        costs, has = costs_of(columns, trade.objectives)
        out["pareto"] = []
        if len(costs):
            reference = reference_point(costs, trade.objectives, trade.reference)
            front = nondominated(costs)
            numbers = [r["variant"] for r, h in zip(ordered, has, strict=True) if h]
            out["pareto"] = [n for n, on in zip(numbers, front, strict=True) if on]
            out["hypervolume"] = hypervolume(costs[front], reference)
            out["hypervolume_reference"] = {
                name: float(v if way == "min" else -v)
                for (name, way), v in zip(trade.objectives.items(), reference, strict=True)
            }
    return out
