import { expect, it } from "vitest";
import { chooseScaleBar, formatLength } from "../../src/viewer/scale_bar";

it.each([
  [0.02, 160, "2 \u00b5m", 100],
  [0.05, 100, "5 \u00b5m", 100],
  [0.001, 150, "100 nm", 100],
  [0.0004, 120, "20 nm", 50],
  [12, 160, "1 mm", 1000 / 12],
  [1, 99, "50 \u00b5m", 50],
  [0.1, 100, "10 \u00b5m", 100],
])("shows %f um a pixel in %i pixels as %s", (umPerPixel, most, text, pixels) => {
  const bar = chooseScaleBar(umPerPixel, most);
  expect(bar?.text).toBe(text);
  expect(bar?.pixels).toBeCloseTo(pixels, 6);
});

it("is between two fifths of the room and all of it, whatever the zoom", () => {
  for (let zoom = 1e-4; zoom < 1e4; zoom *= 1.07) {
    const bar = chooseScaleBar(0.37 / zoom, 160)!;
    expect(bar.pixels).toBeLessThanOrEqual(160 * (1 + 1e-6));
    expect(bar.pixels).toBeGreaterThanOrEqual(64 * (1 - 1e-6));
    expect(bar.text).toMatch(/^[125]0*(\.\d+)? (mm|\u00b5m|nm)$|^0\.0*[125] nm$/);
  }
});

it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("shows none for %f", (umPerPixel) => {
  expect(chooseScaleBar(umPerPixel, 160)).toBe(null);
});

it("writes a length in the unit that keeps it short", () => {
  expect([0.0005, 0.02, 1, 999, 2000].map(formatLength)).toEqual([
    "0.5 nm",
    "20 nm",
    "1 \u00b5m",
    "999 \u00b5m",
    "2 mm",
  ]);
});
