import { expect, it } from "vitest";
import { DrawBudget } from "../../src/map/budget";
import { arrangePoints } from "../../src/map/points";
import { changeRectangle, startRectangle } from "../../src/map/rectangle";
import { Camera, pointRadius } from "../../src/map/view";

const box = { left: 0, right: 10, bottom: 0, top: 5 };

function look(): Camera {
  const camera = new Camera();
  camera.resize(800, 600);
  camera.fit(box);
  return camera;
}

it("shows all points with a border", () => {
  const camera = look();
  for (const [x, y] of [[0, 0], [10, 5]] as const) { // prettier-ignore
    const [px, py] = camera.toPixel(x, y);
    expect(px >= 40 && px <= 760 && py >= 30 && py <= 570).toBe(true);
  }
  expect(camera.zoom).toBe(1);
});

it("looks where another one looked, whatever the size", () => {
  const left = look();
  left.zoomAt(3, 500, 320);
  const camera = look();
  camera.resize(400, 300);
  camera.show(left.view);
  camera.resize(800, 600);
  expect(camera.view).toEqual(left.view);
});

it("keeps the place under the pointer where it is", () => {
  const camera = look();
  const before = camera.toData(500, 320);
  camera.zoomAt(3, 500, 320);
  const after = camera.toData(500, 320);
  expect(after[0]).toBeCloseTo(before[0], 9);
  expect(after[1]).toBeCloseTo(before[1], 9);
  expect(camera.zoom).toBeCloseTo(3, 9);
});

it("goes from pixels to data and back", () => {
  const camera = look();
  camera.zoomAt(7.3, 100, 100);
  const [x, y] = camera.toData(123, 456);
  expect(camera.toPixel(x, y)[0]).toBeCloseTo(123, 6);
  expect(camera.toPixel(x, y)[1]).toBeCloseTo(456, 6);
});

it("keeps the zoom when its size changes, and never loses the data", () => {
  const camera = look();
  camera.zoomAt(4, 400, 300);
  camera.resize(400, 900);
  expect(camera.zoom).toBeCloseTo(4, 9);
  camera.pan(1e6, -1e6);
  expect([camera.x, camera.y]).toEqual([0, 0]);
});

it("shows one point, too", () => {
  const camera = new Camera();
  camera.resize(800, 600);
  camera.fit({ left: 3, right: 3, bottom: 2, top: 2 });
  expect(camera.toPixel(3, 2)).toEqual([400, 300]);
});

it("draws many points small", () => {
  expect(pointRadius(1e6, 1e6, 1)).toBe(1);
  expect(pointRadius(500, 1e6, 1)).toBe(4);
  expect(pointRadius(1e6, 1e6, 1000)).toBeGreaterThan(1.5);
});

it("draws fewer points where frames are slow, and more again where they are not", () => {
  const budget = new DrawBudget(1_000_000, 50);
  budget.report(500);
  expect(budget.count).toBe(100_000);
  budget.report(40);
  expect(budget.count).toBe(100_000);
  for (let k = 0; k < 20; k++) budget.report(5);
  expect(budget.count).toBe(1_000_000);
  const small = new DrawBudget(500, 50);
  small.report(5000);
  expect(small.count).toBe(500);
});

it("arranges each point that has a position once", () => {
  const n = 1000;
  const x = Float32Array.from({ length: n }, (_, i) => (i === 7 ? Number.NaN : i));
  const points = arrangePoints({
    x,
    y: Float32Array.from(x, (v) => -v),
    color: Uint8Array.from(x, (_, i) => i % 2),
    palette: ["#010203", "#fffefd"],
    selected: Uint8Array.from(x, (_, i) => Number(i === 3)),
    onLasso: () => undefined,
    onHover: () => undefined,
    onPick: () => undefined,
  });
  expect([...points.order].sort((a, b) => a - b)).toEqual([...x.keys()].filter((i) => i !== 7));
  const at = points.order.indexOf(3);
  expect([...points.positions.slice(2 * at, 2 * at + 2)]).toEqual([3, -3]);
  expect([...points.colors.slice(4 * at, 4 * at + 4)]).toEqual([255, 254, 253, 255]);
  expect([...points.selected]).toEqual([at]);
  expect(points.flags.indexOf(1)).toBe(at);
});

it("moves and sizes a rectangle within the map", () => {
  const bounds = { width: 400, height: 300 };
  let rectangle = startRectangle(400, 300);
  expect(rectangle).toEqual({ left: 150, top: 112.5, width: 100, height: 75 });
  rectangle = changeRectangle(rectangle, [1, 0], true, bounds);
  expect(rectangle).toEqual({ left: 138, top: 112.5, width: 124, height: 75 });
  for (let k = 0; k < 50; k++) rectangle = changeRectangle(rectangle, [-1, -1], false, bounds);
  expect(rectangle).toEqual({ left: 0, top: 0, width: 124, height: 75 });
  for (let k = 0; k < 50; k++) rectangle = changeRectangle(rectangle, [-1, 1], true, bounds);
  expect([rectangle.width, rectangle.height]).toEqual([8, 8]);
});
