import { describe, expect, test } from "vitest";
import { countBins } from "../src/components/Drawings";
import { orderByGroup } from "../src/components/Granularity";
import { commonLabel, splitOff } from "../src/components/SelectionBar";
import { describeChanges } from "../src/state/changes";
import { countLikely, DoubtPlan } from "../src/state/doubt";
import { formatScore, formatShare } from "../src/state/facts";
import { describeFilter, filterImages, NO_FILTER } from "../src/state/filter";
import { completeName } from "../src/state/names";
import { groupCodes } from "../src/state/palette";
import { placeLabels } from "../src/state/places";
import { Stopwatch } from "../src/state/stopwatch";
import type { Snapshot } from "../src/state/store";
import { FakeTransport } from "../src/testing/fake";

describe("names", () => {
  const names = ["defect/scratch", "particle", "defect/large/particle", "spot", "no_defect"];
  test("the whole name's beginning comes before a part's, a part's before the middle", () => {
    expect(completeName("par", names)).toEqual(["particle", "defect/large/particle"]);
    expect(completeName("defect", names)).toEqual([
      "defect/scratch",
      "defect/large/particle",
      "no_defect",
    ]);
    expect(completeName("atc", names)).toEqual(["defect/scratch"]);
    expect(completeName("zzz", names)).toEqual([]);
  });
});

test("the stopwatch leaves out the time the page was hidden", () => {
  let now = 0;
  const watch = new Stopwatch(() => now);
  watch.restart();
  now = 2000;
  watch.pause();
  now = 60_000;
  watch.resume();
  now = 61_500;
  expect(watch.seconds).toBe(3.5);
  watch.restart();
  expect(watch.seconds).toBe(0);
});

test("images are ordered by group, large first, in none last", () => {
  const group = Int32Array.of(2, -1, 0, 2, 1, 2, 1, -1, -1, -1);
  expect([...orderByGroup(group)]).toEqual([0, 3, 5, 4, 6, 2, 1, 7, 8, 9]);
});

async function takeSnapshot(fake: FakeTransport): Promise<Snapshot> {
  const { json, columns } = await fake.call("state");
  return { ...(json as object), ...columns } as unknown as Snapshot;
}

describe("the filter", () => {
  test("type, proposal and what the server found hold together", async () => {
    const fake = new FakeTransport(3);
    await fake.call("act", {
      action: { name: "accept", proposal: "p1", label: "a", shown: [], thrown: [9] },
    });
    const snapshot = await takeSnapshot(fake);
    const named = filterImages(snapshot, { ...NO_FILTER, type: "a" }, null, null);
    expect([...named]).toEqual([8, 10, 11, 12, 13, 14, 15]);
    const both = { ...NO_FILTER, type: "a", proposal: "p0" };
    expect(filterImages(snapshot, both, null, null)).toHaveLength(0);
    const order = Int32Array.from({ length: 24 }, (_, at) => 23 - at);
    const found = filterImages(snapshot, NO_FILTER, order, [3, 7]);
    expect([...found]).toEqual([7, 3]);
    const unknown = filterImages(snapshot, { ...NO_FILTER, type: "gone" }, null, null);
    expect(unknown).toHaveLength(0);
  });

  test("the ledger is told what was set alone", () => {
    expect(describeFilter({ ...NO_FILTER, text: "img_1" })).toEqual({ text: "img_1" });
  });
});

test("a lasso is split off only where one proposal holds all of it", () => {
  const snapshot = { proposal: Int32Array.of(0, 0, 0, 1), proposals: [{ id: "a" }, { id: "b" }] };
  expect(splitOff(snapshot, [1])).toEqual({ proposal: "a", parts: [[1], [0, 2]] });
  expect(splitOff(snapshot, [1, 3])).toBeNull();
  expect(splitOff(snapshot, [3])).toBeNull();
  expect(commonLabel([0, 1], (image) => (image === 0 ? "x" : null))).toBeNull();
  expect(commonLabel([0, 1], () => "x")).toBe("x");
});

describe("a page of doubt", () => {
  const page = {
    images: [1, 2, 3, 4],
    current: ["a", "b", null, null],
    likely: ["a", "a", "b", "b"],
    probability: [0.9, 0.8, 0.7, 0.6],
    folded: { "3": [30, 31] },
  };

  test("confirming gives each image what it looks like, and its copies with it", () => {
    expect(new DoubtPlan(page).settle(new Set())).toEqual({
      moves: { a: [1, 2], b: [3, 4] },
      copies: { b: [30, 31] },
      thrown: {},
    });
    expect(countLikely(page)).toEqual([["a", 2], ["b", 2]]);
  });

  test("what a person said holds, and what is crossed out is thrown out", () => {
    const plan = new DoubtPlan(page).say([2], "c").say([1, 2], "d");
    expect(plan.goalOf(2)).toBe("d");
    expect(plan.isSaid(3)).toBe(false);
    expect(plan.settle(new Set([3]))).toEqual({
      moves: { d: [1, 2], b: [4] },
      copies: {},
      thrown: { b: [3] },
    });
  });
});

test("what somebody else decided is told in words", async () => {
  const fake = new FakeTransport(3);
  const before = await takeSnapshot(fake);
  await fake.call("act", {
    action: { name: "accept", proposal: "p1", label: "a", shown: [], thrown: [] },
  });
  await fake.call("act", { action: { name: "reject", proposal: "p2" } });
  const after = await takeSnapshot(fake);
  expect(describeChanges(before, after)).toBe("2 accepted as a; 3 rejected");
});

test("labels stand at the middle of their proposal", () => {
  const x = Float32Array.of(0, 1, 2, 10, NaN);
  const proposals = [
    { number: "1", label: null, size: 3 },
    { number: "2", label: "scratch", size: 1 },
  ] as unknown as Snapshot["proposals"];
  const places = placeLabels(x, x, { proposal: Int32Array.of(0, 0, 0, 1, 1), proposals });
  expect(places).toEqual([
    { text: "1", x: 1, y: 1 },
    { text: "2 scratch", x: 10, y: 10 },
  ]);
});

test("numbers are written as the field writes them", () => {
  expect(formatScore(0.974)).toBe(".97");
  expect(formatScore(-0.25)).toBe("-.25");
  expect(formatScore(1)).toBe("1.00");
  expect(formatScore(null)).toBe("–");
  expect(formatShare(0.836)).toBe("84 %");
});

test("every group has a colour, and what is in none has its own", () => {
  const { color, palette } = groupCodes(Int32Array.of(-1, 0, 24, 23), false);
  expect([...color]).toEqual([0, 1, 1, 24]);
  expect(palette).toHaveLength(25);
});

test("bins hold every value once", () => {
  expect(countBins([1, 2, 3, 4], 2)).toEqual([2, 2]);
  expect(countBins([7], 3)).toEqual([1, 0, 0]);
});
