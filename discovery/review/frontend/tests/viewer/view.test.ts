import { expect, it } from "vitest";
import { ImageView } from "../../src/viewer/view";

function look(): ImageView {
  const view = new ImageView(2000, 1000);
  view.resize(800, 600);
  return view;
}

it("shows the whole image, also after the pane changed", () => {
  const view = look();
  expect(view.scale).toBe(0.4);
  expect(view.visible).toEqual({ x: 0, y: 0, width: 2000, height: 1000 });
  view.resize(400, 600);
  expect(view.scale).toBe(0.2);
});

it("keeps the pixel under the pointer where it is", () => {
  const view = look();
  view.setScale(2, 300, 310);
  const before = view.toImage(300, 310);
  view.zoomAt(1.7, 300, 310);
  expect(view.toImage(300, 310)[0]).toBeCloseTo(before[0], 9);
  expect(view.toImage(300, 310)[1]).toBeCloseTo(before[1], 9);
});

it("leaves no empty border where the image could fill it", () => {
  const view = look();
  view.setScale(1);
  view.pan(1e6, 1e6);
  expect(view.toPane(0, 0)).toEqual([0, 0]);
  view.pan(-1e6, -1e6);
  expect(view.toPane(2000, 1000)).toEqual([800, 600]);
  expect(view.overflows).toEqual({ x: true, y: true });
});

it("keeps a small image in the middle", () => {
  const view = new ImageView(100, 100);
  view.resize(800, 600);
  view.setScale(1);
  view.pan(50, 50);
  expect(view.toPane(50, 50)).toEqual([400, 300]);
  expect(view.overflows).toEqual({ x: false, y: false });
});

it("names the whole pixels that are seen", () => {
  const view = look();
  view.setScale(64, 0, 0);
  const { width, height } = view.visible;
  expect([width, height]).toEqual([13, 10]); // 800 / 64 = 12.5, 600 / 64 = 9.4
});
