/** A scale bar of a round length. */

export interface ScaleBar {
  /** On the screen. */
  pixels: number;
  text: string;
}

const NICE = [5, 2, 1];
const UNITS = [
  ["mm", 1000],
  ["\u00b5m", 1],
  ["nm", 0.001],
] as const;

/**
 * The longest bar of 1, 2 or 5 times a power of ten that is no longer than `most` pixels.
 *
 * @param umPerPixel micrometres a pixel of the screen
 */
export function chooseScaleBar(umPerPixel: number, most: number): ScaleBar | null {
  const longest = umPerPixel * most;
  if (!(longest > 0) || !Number.isFinite(longest)) return null;
  // 1 + 1e-9: 5 um in just enough room is not lost to a rounding.
  const power = 10 ** Math.floor(Math.log10(longest * (1 + 1e-9)));
  const factor = NICE.find((nice) => nice * power <= longest * (1 + 1e-9)) ?? 1;
  const length = factor * power;
  return { pixels: length / umPerPixel, text: formatLength(length) };
}

/** A length given in micrometres, in the unit that keeps its number short. */
export function formatLength(um: number): string {
  const [unit, size] = UNITS.find(([, one]) => um >= one * (1 - 1e-9)) ?? UNITS[2];
  return `${Number((um / size).toPrecision(6))} ${unit}`;
}
