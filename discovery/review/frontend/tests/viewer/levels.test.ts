import { expect, it } from "vitest";
import { applyTable, findWindow, limitWindow, makeTable } from "../../src/viewer/levels";

function grey(...levels: number[]): Uint8ClampedArray {
  return Uint8ClampedArray.from(levels.flatMap((level) => [level, level, level, 255]));
}

it("shows the window's low level as black and its high one as white", () => {
  const pixels = grey(0, 50, 100, 150, 255);
  applyTable(pixels, makeTable([0, 255], [50, 150])!);
  expect([...pixels]).toEqual([...grey(0, 0, 128, 255, 255)]);
});

it("knows which levels a picture drawn in another window has", () => {
  const pixels = grey(0, 255);
  applyTable(pixels, makeTable([1000, 2000], [0, 4000])!);
  expect([...pixels]).toEqual([...grey(64, 128)]);
});

it("changes nothing where the window is the picture's own", () => {
  expect(makeTable([3, 7], [3, 7])).toBe(null);
});

it("leaves what is transparent transparent", () => {
  const pixels = Uint8ClampedArray.of(10, 10, 10, 0);
  applyTable(pixels, makeTable([0, 255], [0, 100])!);
  expect(pixels[3]).toBe(0);
});

it("finds the window of nearly all pixels", () => {
  const levels = [...new Array<number>(1000).keys()].map((i) => 100 + (i % 51));
  const pixels = grey(...levels, 0, 255); // two that are off
  expect(findWindow(pixels, [0, 255])).toEqual([99, 151]);
  const [low, high] = findWindow(pixels, [0, 65535]);
  expect([Math.round(low), Math.round(high)]).toEqual([99 * 257, 151 * 257]);
});

it("keeps a window within its range and at least a step wide", () => {
  expect(limitWindow([90, 80], [0, 255], 1, "low")).toEqual([90, 91]);
  expect(limitWindow([90, 80], [0, 255], 1, "high")).toEqual([79, 80]);
  expect(limitWindow([300, 255], [0, 255], 1, "low")).toEqual([254, 255]);
  expect(limitWindow([0, -5], [0, 255], 1, "high")).toEqual([0, 1]);
});
