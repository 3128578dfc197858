"""Runs commands of the toolkit in children of one warm process, and makes them fail.

A script, not a test: jobs come as lines of JSON on standard input, answers go to standard output.
Imports and compiled code are paid for once, so that hundreds of kills take minutes.

A job has ``module`` and ``words`` (what `python -m` takes), ``cwd``, and at most one fault:

- ``stop_event``: SIGKILL before the n-th change of the file system (a file opened for writing, a
  rename, a removal, a new folder, a sync);
- ``stop_seconds``: SIGKILL after so long, wherever it is;
- ``file_limit``: no file may grow beyond so many bytes, as on a full disk;
- ``record``: a folder in which what a power cut at each moment could leave is written down.
"""

import contextlib
import hashlib
import importlib
import json
import os
import resource
import runpy
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

WARM = (
    "embeddings.extract.__main__", "embeddings.search", "discovery.cluster", "discovery.handoff",
    "discovery.assign", "discovery.classify", "discovery.detect", "discovery.evaluate",
    "discovery.review", "discovery.synthetic", "skimage.feature", "mahotas.features", "hdbscan",
    "sklearn.cluster", "discovery.flow", "torch._dynamo",
)  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}


class Counter:
    """Counts the changes of the file system, and kills the process before one of them."""

    def __init__(self, stop):
        self.count, self.stop = 0, stop
        self._pid = os.getpid()
        self._real_sync = os.fsync
        sys.addaudithook(self._hear)
        os.fsync = self._sync

    def _hear(self, event, arguments):
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        # What a process writes to its terminal, or into /dev, changes nothing that must last.
        if is_write and str(arguments[0]).startswith(("/dev", "/proc")):
            return
        if is_write or event in CHANGES:
            self._pass()

    def _sync(self, descriptor):
        self._pass()
        self._real_sync(descriptor)
        self._pass()

    def _pass(self):
        if os.getpid() != self._pid:
            return
        self.count += 1
        if self.count == self.stop:
            os.kill(os.getpid(), signal.SIGKILL)


class PowerCut:
    """Writes down what the disk holds at each change, as a file system may at least promise.

    Content counts from when the file was synced. A name counts, in the stricter of the two states
    that are kept, from when its folder was synced; in the other one from when it was given.
    """

    def __init__(self, root, out):
        self.root, self.out = Path(root), Path(out)
        self._content, self._names = {}, {}
        self._states, self._real_sync = [], os.fsync
        for path in self._list():
            self._content[path.stat().st_ino] = self._keep(path)
            self._names.setdefault(path.parent, {})[path.name] = path.stat().st_ino
        os.fsync = self._sync
        sys.addaudithook(self._hear)

    def _list(self):
        return [path for path in sorted(self.root.rglob("*")) if path.is_file()]

    def _keep(self, path):
        data = path.read_bytes()
        name = hashlib.sha256(data).hexdigest()
        if not (self.out / name).exists():
            with open(self.out / name, "wb") as file:  # noqa: PTH123
                file.write(data)
        return name

    def _sync(self, descriptor):
        self._real_sync(descriptor)
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        if self.root not in (place, *place.parents):
            return
        if place.is_dir():
            found = {one.name: one.stat().st_ino for one in place.iterdir() if one.is_file()}
            self._names[place] = found
        else:
            self._content[place.stat().st_ino] = self._keep(place)
        self._write_down()

    def _hear(self, event, arguments):
        if event in CHANGES and str(self.root) in str(arguments[0]):
            self._write_down()

    def _write_down(self):
        strict = {
            str((folder / name).relative_to(self.root)): self._content.get(inode, "")
            for folder, names in self._names.items()
            for name, inode in names.items()
        }
        loose = {}
        for path in self._list():
            with contextlib.suppress(FileNotFoundError):
                loose[str(path.relative_to(self.root))] = self._content.get(path.stat().st_ino, "")
        for state in (strict, loose):
            if state not in self._states[-2:]:
                self._states.append(state)

    def end(self):
        """Write the states, in order, as a list of {path: name of its content or ""}."""
        self._write_down()
        (self.out / "states.json").write_text(json.dumps(self._states), encoding="utf-8")


def run_job(job):
    """Run the command; never returns."""
    os.chdir(job["cwd"])
    sys.argv = [job["module"], *job["words"]]
    if job.get("file_limit") is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails, as on a full disk
        limit = job["file_limit"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    counter = recorder = None
    if job.get("record"):
        recorder = PowerCut(job["cwd"], job["record"])
    else:
        counter = Counter(job.get("stop_event"))
    code = 0
    try:
        if job["module"].endswith(".py"):
            runpy.run_path(job["module"], run_name="__main__")
        else:
            runpy.run_module(job["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    if recorder is not None:
        recorder.end()
    sys.stdout.flush()
    sys.stderr.flush()
    if counter is not None:
        with contextlib.suppress(OSError):
            os.write(job["answer"], str(counter.count).encode())
    os._exit(code)


def answer(job):
    """Fork a child for a job, and tell how it ended."""
    reads, writes = os.pipe()
    heard, said = os.pipe()  # a file would fall under the limit of files
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reads)
        os.close(heard)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.close(said)
        run_job({**job, "answer": writes})
    os.close(writes)
    os.close(said)
    alarm = None
    if job.get("stop_seconds") is not None:
        alarm = threading.Timer(job["stop_seconds"], os.kill, (child, signal.SIGKILL))
        alarm.start()
    with os.fdopen(heard, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    _, status, usage = os.wait4(child, 0)
    if alarm is not None:
        alarm.cancel()
    with os.fdopen(reads) as pipe:
        events = pipe.read()
    return {
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "events": int(events or 0),
        "said": text,
        "seconds": time.monotonic() - started,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def main():
    """Answer jobs until standard input ends."""
    for name in WARM:
        importlib.import_module(name)
    # How well it learns is asked elsewhere: here, hundreds of trainings are ended.
    importlib.import_module("discovery.classifier.networks")._LEAST_STEPS = 25
    importlib.import_module("discovery.classifier.calibration").FOLDS = 3
    for line in sys.stdin:
        job = json.loads(line)
        # Who asks may have given up on the job before: the answer says whose it is.
        print(json.dumps({**answer(job), "number": job["number"]}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
