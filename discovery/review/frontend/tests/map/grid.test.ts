import { describe, expect, it } from "vitest";
import { PointGrid } from "../../src/map/grid";
import { isInside, simplifyPolygon } from "../../src/map/polygon";
import type { Polygon } from "../../src/map/props";
import { makeRandom } from "./random";

const SQUARE: Polygon = [
  [0, 0],
  [4, 0],
  [4, 4],
  [0, 4],
];
/** A bow tie: its two halves turn against each other. */
const CROSSING: Polygon = [
  [0, 0],
  [4, 4],
  [4, 0],
  [0, 4],
];

function scatter(n: number, seed: number): [Float32Array, Float32Array] {
  const random = makeRandom(seed);
  const x = Float32Array.from({ length: n }, () => 10 * random() ** 2);
  const y = Float32Array.from({ length: n }, () => 3 * random() - 1);
  return [x, y];
}

function bruteInside(polygon: Polygon, x: Float32Array, y: Float32Array): number[] {
  return [...x.keys()].filter((i) => isInside(polygon, x[i]!, y[i]!));
}

describe("isInside", () => {
  it("takes what the line goes around, once or twice, either way", () => {
    expect(isInside(SQUARE, 2, 2)).toBe(true);
    expect(isInside(SQUARE, 5, 2)).toBe(false);
    expect(isInside(CROSSING, 1, 2)).toBe(true);
    expect(isInside(CROSSING, 2, 1)).toBe(false);
    expect(isInside([...SQUARE, ...SQUARE], 2, 2)).toBe(true);
    expect(isInside([...SQUARE].reverse(), 2, 2)).toBe(true);
  });

  it("gives a point on a shared edge to one of two neighbours", () => {
    const right: Polygon = SQUARE.map(([x, y]) => [x + 4, y]);
    expect([isInside(SQUARE, 4, 2), isInside(right, 4, 2)]).toEqual([false, true]);
  });
});

describe("simplifyPolygon", () => {
  it("leaves out what lies on a line, and keeps the corners", () => {
    const drawn: Polygon = [[0, 0], [2, 0.1], [4, 0], [4, 4], [2, 4], [0, 4], [0, 2]]; // prettier-ignore
    expect(simplifyPolygon(drawn, 0.5)).toEqual([[0, 0], [4, 0], [4, 4], [0, 4], [0, 2]]); // prettier-ignore
  });
});

describe("PointGrid", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])("finds what a look at every point finds (%i)", (seed) => {
    const [x, y] = scatter(3000, seed);
    const grid = new PointGrid(x, y);
    const random = makeRandom(seed + 100);
    for (let k = 0; k < 20; k++) {
      const corners = 3 + Math.floor(9 * random());
      // On a lattice every other time: edges that run along cells, corners that coincide.
      const snap = k % 2 ? (v: number) => Math.round(2 * v) / 2 : (v: number) => v;
      const polygon: Polygon = Array.from({ length: corners }, () => [
        snap(12 * random() - 1),
        snap(4 * random() - 1.5),
      ]);
      expect([...grid.inside(polygon)]).toEqual(bruteInside(polygon, x, y));
    }
  });

  it("finds the nearest point", () => {
    const [x, y] = scatter(2000, 9);
    const grid = new PointGrid(x, y);
    const random = makeRandom(10);
    for (let k = 0; k < 200; k++) {
      const at = [11 * random() - 0.5, 4 * random() - 1.5] as const;
      const away = (i: number): number => Math.hypot(x[i]! - at[0], y[i]! - at[1]);
      const near = [...x.keys()].filter((i) => away(i) <= 0.2);
      const best = near.length ? near.reduce((a, b) => (away(b) < away(a) ? b : a)) : null;
      expect(grid.nearest(...at, 0.2)).toBe(best);
    }
  });

  it("leaves out points without a position", () => {
    const x = Float32Array.of(Number.NaN, 1, 2, Number.POSITIVE_INFINITY);
    const y = Float32Array.of(1, 1, 2, 2);
    const grid = new PointGrid(x, y);
    expect(grid.bounds).toEqual({ left: 1, right: 2, bottom: 1, top: 2 });
    expect([...grid.inside(SQUARE)]).toEqual([1, 2]);
  });

  it.each([
    ["none", [], []],
    ["one", [2], [2]],
    ["all in one place", [2, 2, 2], [2, 2, 2]],
    ["all on a line", [1, 2, 3], [2, 2, 2]],
  ])("works with %s", (_, x, y) => {
    const grid = new PointGrid(Float32Array.from(x), Float32Array.from(y));
    expect([...grid.inside(SQUARE)]).toEqual([...x.keys()]);
    expect(grid.nearest(9, 9, 1)).toBe(null);
  });
});
