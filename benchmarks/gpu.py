"""What a GPU gives, in one command: the network, pictures end to end, the neighbour graph.

    python benchmarks/gpu.py                    `make bench-gpu`: under nine minutes on one card
    python benchmarks/gpu.py --device cpu --small --out FILE    that all parts run, and no more

Weights are random (speed does not depend on them), pictures and vectors are made up. What is
measured is written to --out as soon as a part is done; a part that fails is told there, and ends
the command with 1 after the others.
"""

import argparse
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from discovery.estimators.communities import GraphCommunities
from discovery.graph.lists import search_flat
from discovery.graph.neighbours import find_neighbours
from discovery.records import Neighbours
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.networks.features import NetworkExtractor
from embeddings.networks.hardware import DTYPES
from embeddings.networks.resnet import ResNet50Network

OUT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks-gpu.md"
BUDGET = 520.0  # seconds of all parts together
K = 30
_QUERIES = 1024  # a million products each: 4 GB on the card


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is done of each part."""

    batches: tuple[int, ...] = (64, 128, 256)
    side: int = 224
    steps: int = 40
    jpegs: int = 8192
    jpeg_side: int = 512
    rows: int = 1_000_000
    dimensions: int = 2048
    first_rows: int = 100_000  # whose communities tell how long those of all will take


SMALL = Sizes(
    batches=(4,), side=64, steps=2, jpegs=12, jpeg_side=96, rows=600, dimensions=32, first_rows=300
)


class Report:
    """The page, written anew with every line."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path, self.start = path, time.perf_counter()
        name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
        self.lines = [
            "# Benchmarks on a GPU", "",
            f"`make bench-gpu` on {name or 'a CPU'}, {torch.get_num_threads()} threads, torch "
            f"{torch.__version__} (CUDA {torch.version.cuda}), Python {platform.python_version()}.",
            "Weights are random, pictures and vectors made up: these are speeds alone.",
        ]  # fmt: skip

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return BUDGET - (time.perf_counter() - self.start)

    def tell(self, line: str) -> None:
        """Add a line, on the terminal too."""
        print(line, flush=True)
        self.lines.append(line)
        self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")

    def open_table(self, title: str, *columns: str) -> None:
        """Begin a part with a table."""
        for line in (
            "",
            f"## {title}",
            "",
            f"| {' | '.join(columns)} |",
            "|---" * len(columns) + "|",
        ):
            self.tell(line)


def settle(device: torch.device) -> None:
    """Wait for the card: what was launched is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def draw_weights() -> dict[str, torch.Tensor]:
    """Return random ResNet-50 weights, without the classifier."""
    torch.manual_seed(0)
    state = RESNET50.make_network("resnet50").state_dict()
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def make_extractor(precision: str, device: torch.device, side: int) -> NetworkExtractor:
    """Return the extractor of the product, with random weights."""
    from embeddings.records import ExtractorSpec

    layers = ("layer3", "layer4")
    spec = ExtractorSpec(
        name="resnet50", weights="random", weights_sha256="0" * 64, layers=layers, pooling="max",
        input_size=side, fit="stretch", resize="bilinear", backend=f"torch-{device.type}",
        precision=precision, dim=3072,
    )  # fmt: skip
    network = ResNet50Network(draw_weights(), device, DTYPES[precision])
    return NetworkExtractor(spec, network, device, normalisation=RESNET50.normalisation("resnet50"))


def time_steps(step: Callable[[], object], steps: int, device: torch.device) -> float:
    """Return the seconds of one step, after three that do not count."""
    for _ in range(3):
        step()
    settle(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    settle(device)
    return (time.perf_counter() - start) / steps


def measure_network(report: Report, sizes: Sizes, device: torch.device, *, compiles: bool) -> None:
    """Measure ResNet-50 alone: pixels on the device, and from the host's memory and back."""
    report.open_table(
        f"ResNet-50 at {sizes.side}, layer3 and layer4 pooled",
        "arithmetic",
        "batch",
        "how",
        "images/s",
    )
    precisions = ("bf16", "fp16") if device.type == "cuda" else ("bf16",)
    for precision in precisions:
        extractor = make_extractor(precision, device, sizes.side)
        for batch in sizes.batches:
            pixels = torch.rand((batch, 3, sizes.side, sizes.side), device=device)
            ways = {"eager, pixels there": partial(extractor.compute, pixels)}
            if compiles:
                compiled = torch.compile(extractor.compute, mode="max-autotune-no-cudagraphs")
                ways["torch.compile, pixels there"] = partial(compiled, pixels)
            stream = Stream(extractor, pixels.cpu().numpy())
            ways["as extraction runs it (graph, pinned memory, two in flight)"] = stream
            for how, step in ways.items():
                with torch.inference_mode():
                    seconds = time_steps(step, sizes.steps, device)
                report.tell(f"| {precision} | {batch} | {how} | {batch / seconds:.0f} |")
            stream.finish()


class Stream:
    """Batches through the extractor, the last one always in flight."""

    def __init__(self, extractor: NetworkExtractor, batch: np.ndarray) -> None:
        self.extractor, self.batch = extractor, batch
        self.waits: list[Callable[[], object]] = []

    def __call__(self) -> None:
        """Begin a batch, and wait for the one before."""
        self.waits.append(self.extractor.submit(self.batch))
        if len(self.waits) > 1:
            self.waits.pop(0)()

    def finish(self) -> None:
        """Wait for the last."""
        for wait in self.waits:
            wait()


def draw_jpegs(folder: Path, count: int, side: int) -> list[Path]:
    """Write JPEGs with some structure, each another one; a few kinds of texture."""
    from PIL import Image

    def draw(number: int) -> Path:
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 255, (side // 16, side // 16), np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        noisy = np.asarray(image, np.int16) + rng.integers(-12, 12, (side, side))
        path = folder / f"{number:06d}.jpg"
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, quality=90)
        return path

    with ThreadPoolExecutor() as pool:
        return list(pool.map(draw, range(count)))


def read_batches(files: Sequence[Path], size: int) -> Iterator[list[torch.Tensor]]:
    """Yield the bytes of files in batches, read ahead by threads."""
    with ThreadPoolExecutor(8) as pool:
        read = pool.map(lambda path: torch.from_numpy(np.fromfile(path, np.uint8)), files)
        batch: list[torch.Tensor] = []
        for one in read:
            batch.append(one)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch


def measure_jpegs(report: Report, sizes: Sizes, device: torch.device) -> None:
    """Measure pictures end to end: the command, and JPEGs decoded where the network runs."""
    from safetensors.torch import save_file
    from torchvision.io import ImageReadMode, decode_jpeg

    report.open_table(
        f"End to end, {sizes.jpegs} JPEGs of {sizes.jpeg_side} pixels", "how", "images/s"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        files = draw_jpegs(folder, sizes.jpegs, sizes.jpeg_side)
        weights = Path(scratch) / "random.safetensors"
        save_file(draw_weights(), weights)
        options = ExtractOptions(
            weights=str(weights), size=sizes.side, device=device.type, precision="bf16"
        )
        start = time.perf_counter()
        extract_vectors(folder, Path(scratch) / "store", options=options)
        seconds = time.perf_counter() - start
        report.tell(
            f"| `embeddings.extract`, decoded by every core, loading included | "
            f"{len(files) / seconds:.0f} |"
        )
        extractor = make_extractor("bf16", device, sizes.side)
        batch = sizes.batches[-1]

        def run() -> int:
            made = 0
            with torch.inference_mode():
                for coded in read_batches(files, batch):
                    grey = decode_jpeg(coded, mode=ImageReadMode.RGB, device=device.type)
                    shown = torch.nn.functional.interpolate(
                        torch.stack(grey).float().div_(255), (sizes.side, sizes.side),
                        mode="bilinear", antialias=True,
                    )  # fmt: skip
                    made += len(extractor.compute(shown).cpu())
            return made

        run()
        start = time.perf_counter()
        made = run()
        seconds = time.perf_counter() - start
        decoder = "batched nvJPEG" if device.type == "cuda" else "torchvision on the CPU"
        report.tell(
            f"| {decoder}, resized on the device, vectors to memory | {made / seconds:.0f} |"
        )


def draw_rows(rows: int, dimensions: int, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows in groups, and the group of each."""
    generator = torch.Generator(device).manual_seed(0)
    groups = max(4, min(200, rows // 50))
    centres = torch.randn((groups, dimensions), generator=generator, device=device)
    group = torch.randint(groups, (rows,), generator=generator, device=device)
    values = np.empty((rows, dimensions), np.float32)
    for start in range(0, rows, 65_536):
        part = group[start : start + 65_536]
        noise = torch.randn((len(part), dimensions), generator=generator, device=device)
        drawn = torch.nn.functional.normalize(centres[part] + noise, dim=1)
        values[start : start + len(part)] = drawn.cpu().numpy()
    return values, group.cpu().numpy()


def search_by_torch(values: np.ndarray, k: int, device: torch.device) -> Neighbours:
    """Find neighbours by products of blocks on the device: the largest of unit rows are near."""
    torch.set_float32_matmul_precision("high")
    there = torch.from_numpy(values).to(device)
    indices = np.empty((len(values), k), np.int32)
    distances = np.empty((len(values), k), np.float32)
    with torch.inference_mode():
        for start in range(0, len(values), _QUERIES):
            queries = there[start : start + _QUERIES]
            products = queries @ there.T
            places = torch.arange(len(queries), device=device)
            products[places, places + start] = -torch.inf  # the row itself
            near = products.topk(k, dim=1).indices
            # From the differences: products of look-alikes differ by less than their rounding.
            gaps = torch.stack([(there[one] - queries).norm(dim=1) for one in near.T], dim=1)
            order = gaps.argsort(dim=1, stable=True)
            part = slice(start, start + len(queries))
            indices[part] = near.gather(1, order).cpu().numpy()
            distances[part] = gaps.gather(1, order).cpu().numpy()
    return Neighbours(indices=indices, distances=distances)


def measure_graph(report: Report, sizes: Sizes, device: torch.device) -> None:
    """Measure the neighbour graph and the communities of it."""
    import faiss

    report.open_table(f"Neighbours, k = {K}", "rows", "dimensions", "what", "seconds")
    values, truth = draw_rows(sizes.rows, sizes.dimensions, device)
    head = f"| {sizes.rows} | {sizes.dimensions}"
    start = time.perf_counter()
    graph = search_by_torch(values, K, device)
    report.tell(f"{head} | torch, products of blocks (TF32) | {time.perf_counter() - start:.1f} |")
    if device.type == "cpu" or faiss.get_num_gpus():
        start = time.perf_counter()
        found = search_flat(values, values, K + 1)
        seconds = time.perf_counter() - start
        name = "faiss on the GPU" if faiss.get_num_gpus() else "faiss on the CPU"
        report.tell(f"{head} | {name}, exact | {seconds:.1f} |")
        same = np.mean([len(set(a) & set(b)) for a, b in zip(
            graph.indices[:500].tolist(), found[:500].tolist(), strict=True)]) / K  # fmt: skip
        report.tell(f"{head} | both agree on | {100 * same:.1f} % |")
    else:
        report.tell(f"{head} | faiss | not measured: it sees no GPU |")
    first = sizes.first_rows
    start = time.perf_counter()
    short = min(100, sizes.dimensions)
    part = find_neighbours(values[:first, :short], K)
    report.tell(f"| {first} | {short} | find_neighbours, as a round does | "
                f"{time.perf_counter() - start:.1f} |")  # fmt: skip
    one = time_communities(report, values[:first], part, truth[:first])
    if one * sizes.rows / first * 1.5 < report.left:
        time_communities(report, values, graph, truth)
    else:
        report.tell(f"{head} | communities | not measured: would not end in time |")


def time_communities(
    report: Report, values: np.ndarray, graph: Neighbours, truth: np.ndarray
) -> float:
    """Report the seconds of the communities of a graph, and what they are worth."""
    start = time.perf_counter()
    labels = GraphCommunities(random_state=0).fit(values, neighbours=graph).labels_
    seconds = time.perf_counter() - start
    report.tell(f"| {len(values)} | {values.shape[1]} | communities (CPU), ARI "
                f"{adjusted_rand_score(labels, truth):.3f} | {seconds:.1f} |")  # fmt: skip
    return seconds


def main() -> int:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="that all parts run, and no more")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too: minutes more")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("bench-gpu: error: no CUDA device is visible; expected a machine with one: --device "
              "cpu --small --out FILE tries all parts without", file=sys.stderr)  # fmt: skip
        return 2
    if chosen.device == "cpu" and chosen.out == OUT:
        print(f"bench-gpu: error: --device cpu measures no GPU, and {OUT.name} is of one; expected "
              "--out FILE", file=sys.stderr)  # fmt: skip
        return 2
    device, sizes = torch.device(chosen.device), SMALL if chosen.small else Sizes()
    report, failed = Report(chosen.out, device), 0
    parts: list[Callable[[], None]] = [
        lambda: measure_network(report, sizes, device, compiles=chosen.compile),
        lambda: measure_jpegs(report, sizes, device),
        lambda: measure_graph(report, sizes, device),
    ]
    for part in parts:
        try:
            part()
        except Exception as error:  # noqa: BLE001 - the other parts are worth having
            traceback.print_exc()
            report.tell("")
            report.tell(f"This part failed: {type(error).__name__}: {str(error)[:300]}")
            failed += 1
    spent = BUDGET - report.left
    report.tell("")
    report.tell(f"All of it took {spent:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
