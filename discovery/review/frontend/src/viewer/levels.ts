/** Brightness and contrast: which grey levels are shown as black and as white. */

/** The level that is black and the level that is white. */
export type LevelWindow = readonly [number, number];

/** What is cut off at either end by `findWindow`. */
const CUT = 0.005;

/** A byte of a picture drawn in the window `from`, as it looks in the window `to`. */
export function makeTable(from: LevelWindow, to: LevelWindow): Uint8ClampedArray | null {
  if (from[0] === to[0] && from[1] === to[1]) return null;
  const table = new Uint8ClampedArray(256);
  for (let byte = 0; byte < 256; byte++) {
    const level = from[0] + (byte / 255) * (from[1] - from[0]);
    table[byte] = ((level - to[0]) / (to[1] - to[0])) * 255;
  }
  return table;
}

/** Changes the colours of pixels (four bytes each) in place; what is transparent stays. */
export function applyTable(pixels: Uint8ClampedArray, table: Uint8ClampedArray): void {
  for (let at = 0; at < pixels.length; at += 4) {
    pixels[at] = table[pixels[at]!]!;
    pixels[at + 1] = table[pixels[at + 1]!]!;
    pixels[at + 2] = table[pixels[at + 2]!]!;
  }
}

/** The window that all but a few of the pixels lie in, one step of a byte wider than needed. */
export function findWindow(pixels: Uint8ClampedArray, drawn: LevelWindow): LevelWindow {
  const counts = new Uint32Array(256);
  let total = 0;
  for (let at = 0; at < pixels.length; at += 4) {
    if (!pixels[at + 3]) continue;
    for (let channel = 0; channel < 3; channel++) counts[pixels[at + channel]!]!++;
    total += 3;
  }
  if (!total) return drawn;
  const first = findQuantile(counts, CUT * total);
  const last = findQuantile(counts, (1 - CUT) * total);
  const step = (drawn[1] - drawn[0]) / 255;
  const low = Math.max(drawn[0], drawn[0] + (first - 1) * step);
  const high = Math.min(drawn[1], drawn[0] + (last + 1) * step);
  return [low, high];
}

function findQuantile(counts: Uint32Array, below: number): number {
  let sum = 0;
  for (let byte = 0; byte < counts.length; byte++) {
    sum += counts[byte]!;
    if (sum > below) return byte;
  }
  return counts.length - 1;
}

/** Keeps a window within a range and at least a step wide; `moved` is the end that was dragged. */
export function limitWindow(
  [low, high]: LevelWindow,
  range: LevelWindow,
  step: number,
  moved: "low" | "high",
): LevelWindow {
  if (moved === "low") {
    const kept = Math.min(Math.max(low, range[0]), range[1] - step);
    return [kept, Math.max(high, kept + step)];
  }
  const kept = Math.max(Math.min(high, range[1]), range[0] + step);
  return [Math.min(low, kept - step), kept];
}

/** A level in a few digits: whole numbers whole. */
export function formatLevel(level: number, step: number): string {
  return step >= 1 ? String(Math.round(level)) : String(Number(level.toPrecision(4)));
}
