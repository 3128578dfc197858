"""Every single bit that flips in run.json or a model is detected, or changes nothing."""

import json

import pytest

from discovery.runs import Provenance, create_run, open_run
from discovery.runs.state import FileCache, read_state
from embeddings.errors import DefectDiscoveryError, ModelError, RunError

# 7: every byte, and each of its bits in turn.
STEPS = [7, pytest.param(1, marks=pytest.mark.long)]


def find_passed(path, load, *, step):
    """Flip each bit of a file in turn; return those after which it loads as something else."""
    whole, passed = path.read_bytes(), []
    expected = load()
    for bit in range(0, 8 * len(whole), step):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(data))
        try:
            found = load()
        except DefectDiscoveryError:
            continue
        if found != expected:
            passed.append(bit)
    path.write_bytes(whole)
    return passed


@pytest.fixture
def run(tmp_path):
    run = create_run(tmp_path / "run")
    provenance = Provenance(
        command="discovery.cluster", seed=0, inputs={"größe": "0" * 64},
        spec={"k": 5, "share": 0.1, "names": ["a", "ß"], "windows": {8: 1, 16: 2}},
    )  # fmt: skip
    run.save_bytes("report.html", b"<p>", provenance, seconds=0.125)
    run.set_store({"path": "store", "rows": 3})
    return run


def read(run):
    return read_state(run.path, FileCache())


@pytest.mark.parametrize("step", STEPS)
def test_run_json(run, step):
    assert find_passed(run.path / "run.json", lambda: read(run), step=step) == []


def test_run_json_without_a_checksum_is_read_and_sealed_with_the_next_change(run):
    path = run.path / "run.json"
    old = json.loads(path.read_bytes())
    assert "sha256" in old
    del old["sha256"]
    path.write_text(json.dumps(old))
    assert open_run(run.path).run_id == old["run_id"]
    assert open_run(run.path).entry("report.html")
    open_run(run.path).set_store({"path": "elsewhere"})
    assert "sha256" in json.loads(path.read_bytes())
    path.write_bytes(path.read_bytes().replace(b"elsewhere", b"elsewherf"))
    with pytest.raises(RunError, match=r"run\.json is damaged \(its sha256 does not match\)"):
        open_run(run.path)


@pytest.mark.parametrize("step", STEPS)
def test_the_detectors_model(tmp_path, step):
    torch = pytest.importorskip("torch")
    from discovery.detector import model as files
    from discovery.detector.predict import Detector
    from discovery.detector.spec import DetectorSpec

    spec = DetectorSpec(
        labels=("pit", "größer"),
        norm="group",
        anchors=(8, 16, 32, 64, 128),
        ratios=(1.0,),
        tile=64,
        size=64,
    )
    detector = Detector(
        spec=spec, network=torch.nn.Linear(2, 3), device=torch.device("cpu"), threshold=0.5,
        overlap=0.25, facts={"seconds": 1.5, "classes": {"pit": {"n": 3}}},
    )  # fmt: skip
    files.save_detector(detector, tmp_path)
    path = tmp_path / files.MODEL_JSON

    def load():
        values = files._read_json(tmp_path)
        return {name: value for name, value in values.items() if name != "sha256"}

    assert find_passed(path, load, step=step) == []
    # The tensors are held by their sha256 in it.
    weights = tmp_path / files.TENSORS
    sha256 = load()["tensors_sha256"]

    def load_weights():
        network = torch.nn.Linear(2, 3)
        files._load_tensors(network, tmp_path, sha256)
        return [value.tolist() for value in network.state_dict().values()]

    assert find_passed(weights, load_weights, step=step) == []
    # One of before there was a checksum is read as it is.
    old = json.loads(path.read_bytes())
    del old["sha256"]
    path.write_text(json.dumps(old))
    assert load() == old
    path.write_text(json.dumps(old | {"sha257": "0" * 64}))
    with pytest.raises(ModelError, match="was altered: its sha256 does not match"):
        load()
