"""Part a: images become vectors, by the command and by what one would write by hand."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import data
from bench.case import Case, Figures, Part, Task
from bench.meter import measure_command, measure_twice

BATCH, SIDE = 16, 224
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FEW = 16  # images that a warm process has seen before


def prepare(task: Task) -> None:
    """Draw the pictures, make the weights, and export the network for two peers."""
    folder = data.make_jpegs(task)
    few = data.make_once(task.folder / f"few-{task.size}", Path.mkdir)
    for path in sorted(folder.iterdir())[:FEW]:
        (few / path.name).unlink(missing_ok=True)
        (few / path.name).hardlink_to(path)
    data.find_weights(task)
    try:
        export_network(task)
    except ImportError:  # the peers that need it say so in their rows
        return


def export_network(task: Task) -> Path:
    """Write the network as ONNX, any number of images a batch."""

    def write(path: Path) -> None:
        import onnx  # noqa: F401 - told by name where it is missing
        import torch

        network = make_torchvision(task)
        pixels = torch.zeros((2, 3, SIDE, SIDE))
        batch = torch.export.Dim("batch", min=1, max=4 * BATCH)
        torch.onnx.export(
            network, (pixels,), path, dynamo=True, dynamic_shapes=({0: batch},),
            external_data=False, input_names=["pixels"], output_names=["vectors"], verbose=False,
        )  # fmt: skip

    return data.make_once(task.folder / "resnet50.onnx", write)


def make_torchvision(task: Task) -> Any:
    """Return torchvision's ResNet-50, whose answer is layer4's mean."""
    from torch import nn
    from torchvision.models import resnet50

    network = data.make_network(task, resnet50)
    network.fc = nn.Identity()
    return network


def embed_eager(network: Any, prepare: Any, files: list[Path], open_one: Any = None) -> Any:
    """Return the vectors of files: read, prepared and computed batch by batch, in turn."""
    import torch
    from PIL import Image

    open_one = open_one or Image.open
    vectors = []
    with torch.inference_mode():
        for start in range(0, len(files), BATCH):
            batch = [open_one(path).convert("RGB") for path in files[start : start + BATCH]]
            vectors.append(network(torch.stack([prepare(image) for image in batch])))
    return torch.cat(vectors).numpy()


def make_transforms() -> Any:
    """Return torchvision's transforms as its documentation has them."""
    import torch
    from torchvision.transforms import v2

    steps = [v2.ToImage(), v2.Resize((SIDE, SIDE), antialias=True)]
    return v2.Compose(
        [*steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, SPREAD)]
    )  # fmt: skip


def run_torchvision(task: Task) -> Figures:
    """Embed with eager float32 torchvision, batch 16, decoding in between."""
    files = sorted(data.make_jpegs(task).iterdir())
    made: list[Any] = []

    def work() -> None:
        if not made:
            made.extend((make_torchvision(task), make_transforms()))
        embed_eager(*made, files)

    return measure_twice(work, warm=task.warm)[1]


def run_timm(task: Task) -> Figures:
    """Embed with timm's network and transforms; a loader with two processes decodes."""
    files = sorted(data.make_jpegs(task).iterdir())
    made: list[Any] = []

    def work() -> None:
        import timm
        import torch

        if not made:
            network = data.make_network(
                task, lambda: timm.create_model("resnet50.tv_in1k", num_classes=0)
            )
            asked = timm.data.resolve_model_data_config(network) | {"crop_pct": 1.0}
            made.extend((network, timm.data.create_transform(**asked, is_training=False)))
        network, prepare = made
        pictures = timm.data.ImageDataset(str(files[0].parent), transform=prepare)
        workers = 0 if task.quick else 2
        loader = torch.utils.data.DataLoader(pictures, batch_size=BATCH, num_workers=workers)
        with torch.inference_mode():
            torch.cat([network(pixels) for pixels, _ in loader]).numpy()

    return measure_twice(work, warm=task.warm)[1]


def read_pixels(path: Path) -> Any:
    """Return (3, 224, 224) float32, by Pillow and numpy."""
    import numpy as np
    from PIL import Image

    image = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    values = (np.asarray(image, np.float32) / 255 - np.float32(MEAN)) / np.float32(SPREAD)
    return values.transpose(2, 0, 1)


def read_batches(files: list[Path]) -> Iterator[Any]:
    """Yield batches, two threads reading ahead."""
    import numpy as np

    with ThreadPoolExecutor(2) as pool:
        pixels: list[Any] = [pool.submit(read_pixels, path) for path in files]
        for start in range(0, len(files), BATCH):
            yield np.stack([one.result() for one in pixels[start : start + BATCH]])
            pixels[start : start + BATCH] = [None] * len(pixels[start : start + BATCH])


def run_onnxruntime(task: Task) -> Figures:
    """Embed with onnxruntime, float32."""
    files, model = sorted(data.make_jpegs(task).iterdir()), export_network(task)
    made: list[Any] = []

    def work() -> None:
        import onnxruntime

        if not made:
            made.append(onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]))
        for batch in read_batches(files):
            made[0].run(None, {"pixels": batch})

    return measure_twice(work, warm=task.warm)[1]


def run_openvino(task: Task) -> Figures:
    """Embed with OpenVINO, at the precision that it chooses for this processor."""
    files, model = sorted(data.make_jpegs(task).iterdir()), export_network(task)
    made: list[Any] = []

    def work() -> None:
        import openvino

        if not made:
            hint = {"PERFORMANCE_HINT": "THROUGHPUT"}
            made.append(openvino.Core().compile_model(model, "CPU", hint))
            told = made[0].get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
            made.append([made[0].create_infer_request() for _ in range(told)])
        requests = made[1]
        vectors: list[Any] = []
        waiting: list[Any] = []
        for number, batch in enumerate(read_batches(files)):
            if len(waiting) == len(requests):
                vectors.append(collect(waiting.pop(0)))
            waiting.append(requests[number % len(requests)])
            waiting[-1].start_async({"pixels": batch})
        vectors += [collect(request) for request in waiting]

    def collect(request: Any) -> Any:
        request.wait()
        return request.get_output_tensor().data.copy()

    return measure_twice(work, warm=task.warm)[1]


def extract(task: Task, **asked: str) -> Figures:
    """Extract by the command; warm, in this process, which has extracted a few before."""
    folder = data.make_jpegs(task)
    words = [word for name, value in asked.items() for word in (f"--{name}", value)]
    figures = measure_command(
        ["embeddings.extract", str(folder), "--store", str(task.scratch / "cold"), *words]
    )
    if task.warm:
        figures["warm"] = extract_warm(task, folder, asked)
    return figures


def extract_warm(task: Task, folder: Path, asked: dict[str, Any]) -> float:
    """Return the seconds of a second extraction of this process."""
    from bench.meter import measure
    from embeddings.extract import ExtractOptions, extract_vectors

    options = ExtractOptions(**asked)
    few = task.folder / f"few-{task.size}"
    extract_vectors(few, task.scratch / "few", options=options)
    work = lambda: extract_vectors(folder, task.scratch / "warm", options=options)  # noqa: E731
    return float(measure(work)[1]["seconds"])


def run_ours(task: Task) -> Figures:
    """Extract with ResNet-50 of the same weights: layer3 and layer4, largest answers."""
    return extract(task, extractor="resnet50", weights=data.find_weights(task))


def run_lite(task: Task) -> Figures:
    """Extract with the extractor whose weights are installed with the package."""
    return extract(task, extractor="lite")


def run_ours_openvino(task: Task) -> Figures:
    """Extract with ResNet-50 by OpenVINO."""
    weights = data.find_weights(task)
    return extract(task, extractor="resnet50", weights=weights, backend="openvino")


PART = Part(
    letter="a",
    title="Extraction",
    text=(
        "Made-up grey JPEGs of 1024 x 1024, read, decoded, reduced to 224 x 224 and put through "
        "a network; batches of 16. Ours is `python -m embeddings.extract` into a new store: it "
        "finds, hashes and commits, too, and pools layer3 and layer4 where the peers give "
        "layer4's mean. Peers decode by Pillow: torchvision in turn with the network, timm by a "
        "loader of two processes, the other two by two threads that read ahead. Warm: imported, "
        "network loaded."
    ),
    unit="images",
    prepare=prepare,
    cases=(
        Case(name="**ours**, ResNet-50", run=run_ours),
        Case(name="**ours**, ResNet-50, `--backend openvino`", run=run_ours_openvino,
             needs=("openvino",)),
        Case(name="**ours**, lite", run=run_lite, quick=False),
        Case(name="torchvision, eager float32", run=run_torchvision, quick=False),
        Case(name="timm, eager float32", run=run_timm, needs=("timm",)),
        Case(name="onnxruntime, float32", run=run_onnxruntime, needs=("onnx", "onnxruntime")),
        Case(name="OpenVINO", run=run_openvino, needs=("onnx", "openvino")),
    ),
    sizes={"quick": (3,), "bench": (256,), "large": (5_000,)},
    rounds=3,
)  # fmt: skip
