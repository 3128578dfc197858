/** A map of made-up groups; the address says how many points, the theme and the renderer. */
import "./pages.css";
import { type MapProps, mountMap, type Polygon } from "../../src/map";
import { codeGroups, groupPalette } from "../../src/map/palette";

const GROUPS = 30;
const HOSTILE = "<img src=x onerror=window.owned=1>";

const asked = new URLSearchParams(location.search);
const n = Number(asked.get("n") ?? 1000);
const dark = asked.has("dark");
document.body.classList.toggle("dark", dark);

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}
const bell = (): number => random() + random() + random() + random() - 2;

const groups = new Int32Array(n);
const x = new Float32Array(n);
const y = new Float32Array(n);
const middles = Array.from({ length: GROUPS }, () => [14 * random(), 10 * random(), random()]);
for (let i = 0; i < n; i++) {
  const group = Math.floor(GROUPS * random() ** 1.5);
  const [mx, my, width] = middles[group]!;
  groups[i] = i % 40 === 0 ? -1 : group;
  x[i] = mx! + bell() * (0.3 + width!) * 1.6;
  y[i] = my! + bell() * (0.3 + width!) + 0.2 * Math.sin(3 * x[i]!);
}
if (asked.has("broken")) {
  x[3] = Number.NaN;
  y[4] = Number.POSITIVE_INFINITY;
}

interface Seen {
  lasso: { polygon: Polygon; indices: number[]; ms: number } | null;
  hover: number | null;
  picks: number[];
  zoom: number;
}
const seen: Seen = { lasso: null, hover: null, picks: [], zoom: 1 };

const props: MapProps = {
  x,
  y,
  color: codeGroups(groups),
  palette: groupPalette(dark),
  dark,
  renderer: (asked.get("renderer") ?? "auto") as "auto" | "webgl2" | "canvas",
  labels: middles.map(([mx, my], i) => ({
    text: i === 1 ? HOSTILE : i === 2 ? "bridge between two lines of metal 1" : `type ${i}`,
    x: mx!,
    y: my!,
  })),
  onLasso(polygon, indices) {
    seen.lasso = { polygon, indices: [...indices], ms: performance.now() - released };
    const selected = new Uint8Array(n);
    for (const i of indices) selected[i] = 1;
    map.update({ selected });
  },
  onHover: (index) => (seen.hover = index),
  onPick: (index) => seen.picks.push(index),
  onView: (view) => (seen.zoom = view.zoom),
};

let released = 0;
addEventListener("pointerup", () => (released = performance.now()), true);

const began = performance.now();
const map = mountMap(document.getElementById("map")!, props);
const mounted = performance.now() - began;

/** Pans and zooms for so many frames; gives the milliseconds between them and the points drawn. */
async function measure(frames: number): Promise<{ frames: number[]; drawn: number[] }> {
  const surface = document.querySelector(".map-surface")!;
  const box = surface.getBoundingClientRect();
  const stage = document.querySelector<HTMLElement>(".map-stage")!;
  const spans: number[] = [];
  const drawn: number[] = [];
  let last = 0;
  for (let k = 0; k <= frames; k++) {
    const now = await new Promise<number>((done) => requestAnimationFrame(done));
    if (last) spans.push(now - last);
    last = now;
    const deltaY = 40 * Math.sin(k / 6);
    const at = { clientX: box.width / 2, clientY: box.height / 2 };
    surface.dispatchEvent(new WheelEvent("wheel", { deltaY, cancelable: true, ...at }));
    drawn.push(Number(stage.dataset["drawn"]));
  }
  return { frames: spans, drawn };
}

Object.assign(window, { seen, measure, mounted, map, points: { x, y } });

/** The pixels of the map, whichever way it draws. */
function readPixels(): ImageData {
  const canvas = document.querySelector<HTMLCanvasElement>(".map-canvas")!;
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d")!;
  context.drawImage(canvas, 0, 0);
  return context.getImageData(0, 0, copy.width, copy.height);
}

/** Draws, and reads in the same frame: a WebGL canvas is emptied after it was shown. */
async function readDrawn(): Promise<ImageData> {
  map.update({ color: codeGroups(groups) });
  await new Promise((done) => requestAnimationFrame(done));
  return readPixels();
}

async function countColours(): Promise<number> {
  const pixels = new Uint32Array((await readDrawn()).data.buffer);
  return new Set(pixels.filter((pixel) => pixel >>> 24 === 255)).size;
}

const known = [...x.keys()].filter((i) => Number.isFinite(x[i]! + y[i]!));
const span = (values: Float32Array): [number, number] =>
  known.reduce(
    ([low, high], i) => [Math.min(low, values[i]!), Math.max(high, values[i]!)],
    [Infinity, -Infinity],
  );

/** Where a point is on the screen, seen from the middle of the map, which shows all. */
function placeOf(index: number): [number, number, number] {
  const { width, height } = document.querySelector(".map-surface")!.getBoundingClientRect();
  const [left, right] = span(x);
  const [low, high] = span(y);
  const scale = 0.88 * Math.min(width / (right - left), height / (high - low));
  return [index, (x[index]! - (left + right) / 2) * scale, ((low + high) / 2 - y[index]!) * scale];
}

/** The share of the points that lie on a pixel with ink; where nothing is drawn it is small. */
async function shareOfPointsOnInk(): Promise<number> {
  const { data, width, height } = await readDrawn();
  let hits = 0;
  for (let i = 0; i < n; i++) {
    const [, dx, dy] = placeOf(i);
    const at = Math.round(height / 2 + dy) * width + Math.round(width / 2 + dx);
    if (data[4 * at + 3]! > 0) hits++;
  }
  return hits / n;
}

Object.assign(window, { countColours, placeOf, shareOfPointsOnInk });
