import { expect, it } from "vitest";
import { findPitch } from "../../src/wafer/pitch";
import { makeRandom } from "../map/random";

it("finds the distance between dies", () => {
  expect(findPitch([-20, -10, 10, 20, 20, 40])).toBeCloseTo(10);
  expect(findPitch([-0.75, -0.5, -0.25, 0, 0.251, 0.5])).toBeCloseTo(0.25, 2);
});

it("finds none where places lie anywhere, or are too few to tell", () => {
  const random = makeRandom(3);
  expect(findPitch(Array.from({ length: 100 }, random))).toBe(null);
  expect(findPitch([1, 2, 3])).toBe(null);
  expect(findPitch([])).toBe(null);
});
