import { expect, it } from "vitest";
import { codeGroups, COLORS, groupColor, groupPalette } from "../../src/map/palette";

type Triple = [number, number, number];
type Matrix = [Triple, Triple, Triple];

const NORMAL: Matrix = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];
// Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
const BLINDNESS: Record<string, Matrix> = {
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
const TO_LMS: Matrix = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const TO_LAB: Matrix = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];

function times(matrix: Matrix, v: Triple): Triple {
  return matrix.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]) as Triple;
}

function linear(group: number, dark: boolean): Triple {
  const color = groupColor(group, dark);
  return [1, 3, 5].map((at) => {
    const s = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  }) as Triple;
}

function oklab(rgb: Triple): Triple {
  return times(TO_LAB, times(TO_LMS, rgb).map((v) => Math.cbrt(Math.max(0, v))) as Triple);
}

/** The smallest distance between any two colours of groups from `first` to `last`, in Oklab. */
function leastDistance(first: number, last: number, dark: boolean, sight: Matrix): number {
  let least = Infinity;
  for (let a = first; a <= last; a++) {
    for (let b = a + 1; b <= last; b++) {
      const [p, q] = [a, b].map((group) => oklab(times(sight, linear(group, dark))));
      least = Math.min(least, Math.hypot(p![0] - q![0], p![1] - q![1], p![2] - q![2]));
    }
  }
  return least;
}

function luminance(rgb: Triple): number {
  return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
}

it.each([false, true])("holds 24 colours and a grey apart (dark: %s)", (dark) => {
  expect(COLORS).toBe(24);
  expect(leastDistance(-1, COLORS - 1, dark, NORMAL)).toBeGreaterThanOrEqual(0.07);
  expect(leastDistance(0, 7, dark, NORMAL)).toBeGreaterThanOrEqual(0.12);
});

it.each(Object.keys(BLINDNESS))("holds them apart with %s", (kind) => {
  for (const dark of [false, true]) {
    expect(leastDistance(0, COLORS - 1, dark, BLINDNESS[kind]!)).toBeGreaterThanOrEqual(0.045);
    expect(leastDistance(0, 7, dark, BLINDNESS[kind]!)).toBeGreaterThanOrEqual(0.065);
  }
});

it("stands out from the page", () => {
  for (let group = 0; group < COLORS; group++) {
    expect(1.05 / (luminance(linear(group, false)) + 0.05)).toBeGreaterThanOrEqual(2.2);
    expect((luminance(linear(group, true)) + 0.05) / 0.0585).toBeGreaterThanOrEqual(3);
  }
});

it("gives codes and a palette for a map", () => {
  const palette = groupPalette(true);
  const groups = [-1, 0, 1, 23, 24, 25];
  const shown = [...codeGroups(Int32Array.from(groups))].map((code) => palette[code]);
  expect(shown).toEqual(groups.map((group) => groupColor(group, true)));
  expect(groupColor(25, true)).toBe(groupColor(1, true));
});
