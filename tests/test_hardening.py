"""What comes from outside cannot reach further than it should, and no run leaves half a thing."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cislunar import products
from cislunar.cli import app
from cislunar.faults import MOST_FAULTS
from cislunar.outside import allow_outside
from cislunar.products import whole_folder
from cislunar.scenario import Scenario, input_files, load_scenario, resolved_yaml
from cislunar.yamlio import MAX_WRITTEN, parse_yaml
from orbits.errors import InputError

ROOT = Path(__file__).parent.parent
MINIMAL = ROOT / "configs" / "minimal.yaml"
HEAD = "name: x\nepoch: '2030-03-01T00:00:00 UTC'\nduration_days: 0.1\noptions: []\n"
RIDGE = "0 1\n90 2\n180 1\n270 3\n"
STAMPED = {"manifest.json"}  # has wall times, as the report's last lines have


def site(horizon, folder):
    path = folder / "s.yaml"
    path.write_text(
        f"{HEAD}assets: [{{name: a, latitude_deg: -89, longitude_deg: 0, horizon: {horizon!r}}}]\n"
    )
    return path


# --- paths --------------------------------------------------------------------------------------


@pytest.fixture
def rooms(tmp_path):
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text(RIDGE)
    for name in ("in/ridge.txt", "in/below/ridge.txt"):
        (tmp_path / name).write_text(RIDGE)
    (tmp_path / "in" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "in" / "away").symlink_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["ridge.txt", "below/ridge.txt", "below/../ridge.txt"])
def test_files_beside_the_scenario_are_read(rooms, name):
    (asset,) = load_scenario(site(name, rooms / "in")).assets
    assert Path(asset.horizon).read_text() == RIDGE


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "/etc/passwd", "link.txt", "away/secret.txt", "below/../../secret.txt"],
)
def test_files_elsewhere_are_refused_in_one_line_unless_allowed(rooms, name):
    path = site(name, rooms / "in")
    with pytest.raises(InputError, match=r"s\.yaml: assets\.0\.horizon: .* outside the scenario's"):
        load_scenario(path)
    with allow_outside():
        assert load_scenario(path).assets
    with pytest.raises(InputError, match="outside"):
        load_scenario(path)
    for orbit in ("oem", "spk"):
        more = ", naif_id: -5" if orbit == "spk" else ""
        path.write_text(
            f"{HEAD}spacecraft: [{{name: d, orbit: {{kind: {orbit}, file: {name!r}{more}}}}}]\n"
        )
        with pytest.raises(InputError, match=r"spacecraft\.0\.orbit\.file: .* outside"):
            load_scenario(path)


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "link.txt", "a\0b", "a" * 5000])
def test_waypoints_elsewhere_are_not_even_opened(rooms, name, monkeypatch):
    from cislunar import paths

    monkeypatch.setattr(paths, "read_waypoints", lambda file: pytest.fail(f"{file} was opened"))
    path = rooms / "in" / "s.yaml"
    path.write_text(f"{HEAD}assets: [{{name: a, path_file: {json.dumps(name)}}}]\n")
    with pytest.raises(InputError, match=r"s\.yaml: assets\.0\.path_file: ") as caught:
        load_scenario(path)
    assert len(getattr(caught.value, "lines", [str(caught.value)])) == 1
    assert "root:" not in str(caught.value)


def test_the_command_allows_them_when_asked(rooms):
    path = str(site("../secret.txt", rooms / "in"))
    refused = CliRunner().invoke(app, ["check", path])
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "--allow-outside" in refused.stderr
    assert CliRunner().invoke(app, ["check", path, "--allow-outside"]).exit_code == 0
    assert CliRunner().invoke(app, ["check", path]).exit_code == 2


BASES = {
    "roadmap": "roadmap: {{name: r, base: {base!r}, years: [2030, 2030], starts_per_year: 1, days: 1}}\n",
    "trade": "name: t\nbase: {base!r}\naxes: {{step_s: [60, 120]}}\nmetrics: {{n: {{expression: '1'}}}}\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", BASES)
def test_a_base_elsewhere_is_refused_in_one_line_unless_allowed(rooms, kind):
    """The rule for a scenario's files holds for the scenario that a roadmap or a trade names."""
    craft = "spacecraft: [{name: a, orbit: {kind: dro, amplitude_km: 70000}}]\n"
    for name in ("secret.yaml", "in/base.yaml", "in/below/base.yaml"):
        (rooms / name).write_text(HEAD + craft)
    (rooms / "in" / "link.yaml").symlink_to(rooms / "secret.yaml")
    path = rooms / "in" / "x.yaml"

    def check(name, *more):
        path.write_text(BASES[kind].format(base=name))
        ended = CliRunner().invoke(app, ["check", str(path), *more])
        return ended.exit_code, ended.stderr

    for name in ("base.yaml", "below/base.yaml", "below/../base.yaml"):
        assert check(name) == (0, "")
    key = {"roadmap": "roadmap.base", "trade": "base"}[kind]
    for name in ("../secret.yaml", "/etc/hostname", "link.yaml", "away/secret.yaml"):
        code, said = check(name)
        assert (code, said) == (
            2, f"{path}: {key}: {name!r} is outside the {kind}'s folder; allowed: a file beside "
            f"the {kind} or below, or --allow-outside\n",
        )  # fmt: skip
        assert check(name, "--allow-outside") == (0, "") or name == "/etc/hostname"
    os.mkfifo(rooms / "in" / "pipe")
    for name, what in (("pipe", "not a file"), ("a\0b", "not a path"), ("below", "folder"),
                       ("a/" * 3000, "not a path")):  # fmt: skip
        path.write_text(BASES[kind].format(base="NAME").replace("'NAME'", json.dumps(name)))
        ended = CliRunner().invoke(app, ["check", str(path)])
        assert ended.exit_code == 2, ended.output
        assert what in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_a_program_may_name_any_file(rooms):
    asset = {"name": "a", "latitude_deg": -89, "longitude_deg": 0,
             "horizon": str(rooms / "secret.txt")}  # fmt: skip
    scenario = Scenario(name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1, options=[],
                        assets=[asset])  # fmt: skip
    assert input_files(scenario) == [str(rooms / "secret.txt")]


def test_a_product_folder_has_what_it_reads(rooms):
    """Its files come along under names that do not depend on where they were."""
    scenario = load_scenario(site("below/ridge.txt", rooms / "in"))
    out = rooms / "out"
    out.mkdir()
    files = products.keep_inputs(scenario, out)
    (out / "scenario.resolved.yaml").write_text(resolved_yaml(scenario, files))
    moved = rooms / "elsewhere"
    out.rename(moved)
    shutil.rmtree(rooms / "in")
    again = load_scenario(moved / "scenario.resolved.yaml")
    (name,) = input_files(again)
    assert Path(name).is_relative_to(moved)
    assert Path(name).read_text() == RIDGE
    copy = rooms / "copy"
    copy.mkdir()
    assert resolved_yaml(again, products.keep_inputs(again, copy)) == resolved_yaml(scenario, files)


def test_a_pipe_or_a_device_is_no_input(rooms):
    os.mkfifo(rooms / "in" / "pipe")
    path = site("pipe", rooms / "in")
    ended = CliRunner().invoke(app, ["check", str(path)])  # would wait for ever
    assert ended.exit_code == 2
    assert "not a file" in ended.stderr


# --- YAML ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch owned']", "a: !!python/name:os.system",
        "!!python/object/new:os.system [x]", "a: !ruby/object:Gem::Requirement {}", "a: !!set {b}",
        "a: !<tag:yaml.org,2002:python/module:os> ''", "? !!python/tuple [1]\n: 2", "a: !!binary aGk=",
    ],
)  # fmt: skip
def test_no_tag_makes_an_object(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        parse_yaml(text, "x.yaml")
    assert not list(tmp_path.iterdir())


def test_bombs_are_refused_before_they_go_off():
    def bomb(width, depth):
        lines = ["a0: &a0 [" + ", ".join(["x"] * width) + "]"]
        for k in range(1, depth):
            lines.append(f"a{k}: &a{k} [" + ", ".join([f"*a{k - 1}"] * width) + "]")
        return "\n".join(lines)

    start = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for text in (
        bomb(9, 9), bomb(100, 9), "a: &a [*a]", "a: &a {b: *a}", "[" * 5000, "{a: " * 5000,
        "a: [" + "[]," * MAX_WRITTEN + "]", "- a\n" * MAX_WRITTEN,
        "a: &a {b: 1}\n" + "\n".join(f"c{k}: *a" for k in range(2000)),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            parse_yaml(text, "x.yaml")
        assert str(caught.value).isprintable()
    assert time.process_time() - start < 20.0  # no answer would be the fault, not a slow one
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 512  # MiB


def test_faults_without_end_are_not_all_looked_for(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + "include: [" + ", ".join(f"n{k}" for k in range(50_000)) + "]\n")
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert len(caught.value.faults) == MOST_FAULTS


# --- what is written, whole or not --------------------------------------------------------------


def start(out, *more, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "cislunar", "run", str(MINIMAL), "--out", str(out), "--quiet", *more],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def without_times(folder):
    """The bytes of every file, without the seconds that a report says the run has taken."""
    return {
        name: re.sub(rb"\d+\.\d s\b", b"", data) if name.startswith("report") else data
        for name, data in content(folder).items()
    }


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The same run with one worker and with eight, and a third after them into the first."""
    room = tmp_path_factory.mktemp("runs")
    ends = [start(room / f"w{n}", "--workers", str(n)) for n in (1, 8)]
    for process in ends:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    return room


@pytest.mark.slow
def test_one_and_eight_workers_give_the_same_bytes(twice):
    one, eight = without_times(twice / "w1"), without_times(twice / "w8")
    assert set(one) == set(eight)
    assert {name for name in one if one[name] != eight[name]} <= STAMPED
    a, b = (json.loads(c["manifest.json"]) for c in (one, eight))
    for manifest in (a, b):
        manifest.pop("wall_s")
    assert a == b


@pytest.mark.slow
def test_killed_at_any_moment_a_finished_run_is_kept(twice, tmp_path):
    """Kills spread over a second run into the same folder: what was there is there, all of it."""
    out = tmp_path / "out"
    shutil.copytree(twice / "w1", out)
    before = content(out)
    rng = random.Random(11)
    for _ in range(3):
        process = start(out, "--no-report")
        time.sleep(rng.uniform(1.0, 8.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL or not (out / "report.en.html").exists()
        after = content(out)  # the run before, or all of this one where the kill came too late
        plain = {n for n in before if not n.startswith("report")}
        assert set(after) in (set(before), plain)
        assert {n for n in after if after[n] != before[n]} <= STAMPED


@pytest.mark.slow
def test_killed_between_the_two_renames_nothing_is_lost(twice, tmp_path):
    """The one instant without a folder of that name: the old one stands beside, whole."""
    out = tmp_path / "out"
    shutil.copytree(twice / "w1", out)
    before = content(out)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom cislunar import products\n"
        "products._exchanged = lambda *_: False\n"  # a system that cannot do it in one step
        "real = Path.rename\ndef rename(self, to):\n"
        "    if self.name.endswith('.part'):\n        os.kill(os.getpid(), 9)\n"
        "    return real(self, to)\nPath.rename = rename\n"
        "with products.whole_folder(sys.argv[1]) as work:\n    (work / 'a').write_text('new')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(out)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    with whole_folder(out) as work:  # the next run puts it back before it replaces it
        (work / "manifest.json").write_text('{"maker": "cislunar-planner"}')
        assert content(out) == before
    assert not [p.name for p in tmp_path.iterdir() if p.name.endswith(".old")]


def test_what_killed_runs_left_is_cleared_and_what_living_ones_write_is_not(tmp_path):
    """A run killed while it writes; one that still writes; a user's own hidden folder."""
    out = tmp_path / "out"
    code = (
        "import os, sys, time\nfrom cislunar import products\n"
        "with products.whole_folder(sys.argv[1]) as work:\n"
        "    (work / 'a').write_text('half')\n    print(work, flush=True)\n    time.sleep(600)\n"
    )

    def writer():
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    (dead, left), (living, writes) = writer(), writer()
    try:
        dead.kill()
        dead.communicate()
        own = tmp_path / ".out.notes.part"
        own.mkdir()
        for folder in (left, writes, own):
            assert folder.is_dir()
            os.utime(folder, (time.time() - 3600,) * 2)
        with whole_folder(out) as work:
            (work / "manifest.json").write_text('{"maker": "cislunar-planner"}')
        assert not left.exists()
        assert (writes / "a").read_text() == "half"
        assert own.is_dir()
    finally:
        living.kill()
        living.communicate()
    for age_s, there in ((0, True), (3600, False)):
        os.utime(writes, (time.time() - age_s,) * 2)
        with whole_folder(out) as work:
            (work / "manifest.json").write_text('{"maker": "cislunar-planner"}')
        assert writes.exists() == there  # a young one may not be locked yet
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.notes.part", "out"]


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_what_was_there(twice, tmp_path):
    """A limit on the size of files stands for a full disk: writing past it fails with EFBIG."""
    out = tmp_path / "out"
    shutil.copytree(twice / "w1", out)
    before = content(out)
    code = (
        "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size = int(sys.argv.pop(1))\nfrom cislunar import cli, products\n"
        "real = products.write_products\n"
        "def write(results, folder):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n    real(results, folder)\n"
        "import cislunar.results\ncislunar.results.write_products = write\ncli.main()\n"
    )
    for size in (60_000,):
        done = subprocess.run(
            [sys.executable, "-c", code, str(size), "run", str(MINIMAL), "--out", str(out), "--quiet"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert content(out) == before
        assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_any_write_may_fail(tmp_path, monkeypatch):
    """No space at the first, second, third ... write of a folder: the old one stays."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text('{"maker": "cislunar-planner"}')
    before = content(tmp_path / "out")
    real = products._write_text

    def write(left, path, text):
        if left.pop(0) == 0:
            real(path, text[: len(text) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, text)

    for failing in range(4):
        left = list(range(failing, -1, -1))
        monkeypatch.setattr(products, "_write_text", lambda p, t, left=left: write(left, p, t))

        def fill():
            with whole_folder(tmp_path / "out") as work:
                for k in range(10):
                    products._write_text(work / f"{k}.csv", "a,b\n" * 100)

        with pytest.raises(OSError, match="No space"):
            fill()
        assert content(tmp_path / "out") == before
        assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_two_runs_into_one_folder_leave_one_of_them_whole(tmp_path):
    """Writers that meet: the folder is some writer's alone, and none is left over."""
    out = tmp_path / "out"

    def write(number):
        for _ in range(15):
            with whole_folder(out) as work:
                for k in range(20):
                    (work / f"{k}.csv").write_text(f"{number}")
                (work / "manifest.json").write_text('{"maker": "cislunar-planner"}')

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len({p.read_text() for p in out.glob("*.csv")}) == 1
    assert len(list(out.iterdir())) == 21
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_computed(tmp_path):
    """As another user where this one may write everywhere."""
    locked = tmp_path / "locked"
    locked.mkdir()
    tmp_path.chmod(0o755)
    locked.chmod(0o555)
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                for above in (tmp_path, *tmp_path.parents):
                    if above.owner() == "root" and "pytest-of-" in str(above):
                        above.chmod(0o755)
                os.setuid(65534)
            products.check_folder(locked / "out")
        except InputError as fault:
            os._exit(0 if "may not be written" in str(fault) else 1)
        except BaseException:
            os._exit(2)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_link_to_a_folder_stays_a_link_and_has_the_products(tmp_path):
    """Users put their products on another disk that way."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    for text in ("one", "two"):
        with whole_folder(tmp_path / "out") as work:
            (work / "manifest.json").write_text('{"maker": "cislunar-planner"}')
            (work / "a").write_text(text)
        assert (tmp_path / "disk" / "a").read_text() == text
    assert (tmp_path / "out").is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "out"]


@pytest.mark.parametrize("name", ["a" * 245, "a" * 300, "a\0b"])
def test_a_name_that_no_folder_can_have_is_refused_before_anything_is_computed(tmp_path, name):
    with pytest.raises(InputError, match="no folder can be there"):
        products.check_folder(tmp_path / name)


def test_a_folder_held_by_another_process_is_refused_and_what_it_had_is_put_aside(tmp_path):
    """A folder written bit by bit: one process at a time; what was finished goes only at the end."""
    out = tmp_path / "out"
    with products.held(out, lambda known: True):
        (out / "manifest.json").write_text('{"maker": "cislunar-planner", "sha256": "a"}')
        with pytest.raises(InputError, match="another process is writing"):
            products.held(out, lambda known: True).__enter__()
    before = content(out)

    def is_killed():
        with products.held(out, lambda k: k["sha256"] == "b"):
            assert list(out.iterdir()) == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        is_killed()
    (aside,) = (p for p in tmp_path.iterdir() if p.suffix == ".old")
    assert content(aside) == before
    (out / ".manifest.json.12345678.part").write_text("{")  # killed in its first write
    with products.held(out, lambda k: k["sha256"] == "b"):
        (out / "manifest.json").write_text('{"maker": "cislunar-planner", "sha256": "b"}')
        os.utime(aside, (time.time() - 3600,) * 2)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
