/** Colours of groups and types, the same on every screen. */
import { codeGroups, groupColor, groupPalette } from "../map/palette";

export interface Codes {
  /** Of each image an entry of the palette: 0 is no group. */
  color: Uint8Array;
  palette: string[];
}

/** For the map, of which each image is in a group, or a type, or in none (-1). */
export function groupCodes(group: Int32Array, dark: boolean): Codes {
  return { color: codeGroups(group), palette: groupPalette(dark) };
}

/** For a style sheet: light or dark is decided where it is shown. */
export function groupPaint(group: number): string {
  return `light-dark(${groupColor(group, false)}, ${groupColor(group, true)})`;
}
