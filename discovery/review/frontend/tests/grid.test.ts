import { beforeEach, describe, expect, test } from "vitest";
import { GAP, layOut, scrollFor, visibleRows } from "../src/components/window";
import { GridModel } from "../src/state/grid";

const NO_KEYS = { shiftKey: false, ctrlKey: false, metaKey: false };
const SHIFT = { ...NO_KEYS, shiftKey: true };
const CTRL = { ...NO_KEYS, ctrlKey: true };
const marked = (model: GridModel) => [...model.marked.value].sort((a, b) => a - b);

describe("marks to throw out", () => {
  let model: GridModel;
  beforeEach(() => {
    model = new GridModel("throw");
    model.show([10, 11, 12, 13, 14, 15, 16]);
    model.columns = 3;
  });

  test("a second click takes the first back", () => {
    model.click(2, NO_KEYS);
    model.click(4, NO_KEYS);
    model.click(2, NO_KEYS);
    expect(marked(model)).toEqual([14]);
  });

  test("shift marks the range from the last mark and keeps the others", () => {
    model.click(0, NO_KEYS);
    model.click(2, NO_KEYS);
    model.click(5, SHIFT);
    expect(marked(model)).toEqual([10, 12, 13, 14, 15]);
  });

  test("arrows go by rows and stop at the edges", () => {
    model.moveRow(1);
    expect(model.current.value).toBe(13);
    model.moveRow(1);
    expect(model.current.value).toBe(16);
    model.moveRow(1);
    expect(model.current.value).toBe(16);
    model.moveRow(-1);
    model.moveRow(-1);
    model.moveRow(-1);
    expect(model.current.value).toBe(10);
    model.move(-1);
    expect(model.current.value).toBe(10);
  });

  test("what is no longer shown is no longer marked", () => {
    model.click(1, NO_KEYS);
    model.click(6, NO_KEYS);
    model.update([11, 12]);
    expect(marked(model)).toEqual([11]);
    expect(model.current.value).toBe(12);
  });
});

describe("selection", () => {
  let model: GridModel;
  beforeEach(() => {
    model = new GridModel("select");
    model.show(Int32Array.of(5, 4, 3, 2, 1, 0));
  });

  test("a click selects one, control adds, shift takes the range alone", () => {
    model.click(1, NO_KEYS);
    model.click(3, CTRL);
    expect(model.chosen).toEqual([4, 2]);
    model.click(5, SHIFT);
    expect(model.chosen).toEqual([2, 1, 0]);
    model.click(0, NO_KEYS);
    expect(model.chosen).toEqual([5]);
  });

  test("shift with an arrow grows and shrinks the range", () => {
    model.place(2);
    model.move(1, true);
    model.move(1, true);
    expect(model.chosen).toEqual([3, 2, 1]);
    model.move(-1, true);
    expect(model.chosen).toEqual([3, 2]);
  });

  test("with nothing marked the image under the cursor is chosen", () => {
    expect(model.chosen).toEqual([5]);
    model.show([]);
    expect(model.chosen).toEqual([]);
  });
});

describe("rows on the screen", () => {
  test("100,000 images need few rows, and each row ends at the edge", () => {
    const layout = layOut(100_000, 1000, 128);
    expect(layout).toMatchObject({ columns: 7, rows: 14_286, cell: 137 });
    const [first, last] = visibleRows(layout, 500_000, 800);
    const step = layout.cell + GAP;
    expect(first * step).toBeLessThanOrEqual(500_000);
    expect(last * step).toBeGreaterThanOrEqual(500_800);
    expect(last - first).toBeLessThan(15);
  });

  test("a row that is seen whole needs no scrolling", () => {
    const layout = { columns: 4, cell: 94, rows: 25, height: 2494 };
    expect(scrollFor(layout, 3, 250, 300)).toBeNull();
    expect(scrollFor(layout, 1, 250, 300)).toBe(100);
    expect(scrollFor(layout, 9, 250, 300)).toBe(694);
  });
});
