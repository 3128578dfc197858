import { expect, it } from "vitest";
import { placeLabels } from "../../src/map/labels";
import { makeRandom } from "./random";

const size = { width: 80, height: 18 };

it("places labels over their groups where there is room", () => {
  const boxes = [
    { x: 100, y: 100, ...size },
    { x: 300, y: 100, ...size },
  ];
  expect(placeLabels(boxes, 400, 200)).toEqual([
    { index: 0, left: 60, top: 91, place: 0 },
    { index: 1, left: 260, top: 91, place: 0 },
  ]);
});

it("lets no two overlap, cuts none off, and keeps the first", () => {
  const random = makeRandom(4);
  for (let round = 0; round < 50; round++) {
    const boxes = Array.from({ length: 40 }, () => ({
      x: 440 * random() - 20,
      y: 340 * random() - 20,
      width: 30 + 100 * random(),
      height: 18,
    }));
    const placed = placeLabels(boxes, 400, 300);
    const first = boxes.findIndex(({ x, y }) => x >= 0 && y >= 0 && x <= 400 && y <= 300);
    expect(placed[0]?.index).toBe(first);
    placed.forEach((a, i) => {
      const [w, h] = [boxes[a.index]!.width, boxes[a.index]!.height];
      expect(a.left >= 0 && a.top >= 0 && a.left + w <= 400 && a.top + h <= 300).toBe(true);
      for (const b of placed.slice(i + 1)) {
        const apart =
          a.left + w < b.left ||
          b.left + boxes[b.index]!.width < a.left ||
          a.top + h < b.top ||
          b.top + boxes[b.index]!.height < a.top;
        expect(apart).toBe(true);
      }
    });
  }
});

it("leaves out labels of groups out of sight, and those wider than the map", () => {
  const boxes = [
    { x: -1, y: 50, ...size },
    { x: 50, y: 50, width: 101, height: 18 },
  ];
  expect(placeLabels(boxes, 100, 100)).toEqual([]);
});

it("keeps a label on the side where it was", () => {
  const boxes = [{ x: 100, y: 100, ...size }];
  const [kept] = placeLabels(boxes, 400, 200, new Map([[0, 2]]));
  expect(kept).toEqual({ index: 0, left: 60, top: 91 + 1.1 * 18, place: 2 });
});
