/**
 * Colours of groups that differ by hue and lightness, on white and on a dark page.
 *
 * The 24 were chosen by annealing: the smallest distance in Oklab between any two (and to the grey
 * of what is in no group) was made as large as it gets, as seen by people with normal sight and, at
 * 1.8 times the weight, with each of the three kinds of colour blindness (Machado et al. 2009). The
 * earlier ones are farther apart. The same group has about the same hue in light and dark.
 */

const LIGHT = [
  "#40c28b", "#a131fd", "#960123", "#653692", "#bc6e7c", "#1409e1", "#847607", "#91a3e9",
  "#63a31a", "#da56fe", "#404601", "#1b8ff0", "#70104a", "#934c09", "#f40bb2", "#4554d6",
  "#15704f", "#627cb0", "#ec7527", "#c9a066", "#9338a8", "#c81a7a", "#5101b0", "#263e6c",
];
const DARK = [
  "#45b6b4", "#a73cdc", "#f28333", "#ffcdfe", "#da235d", "#8275b1", "#bcd770", "#a5abe8",
  "#1deeb4", "#df52d9", "#907e00", "#8984fd", "#f889c6", "#b97e59", "#b6558e", "#3a8ed6",
  "#a5ff8f", "#6b59fe", "#ffba10", "#ceb071", "#f303ad", "#d88b96", "#c08dff", "#7cc9fd",
];

export const COLORS = LIGHT.length;

/** The colour of a group as "#rrggbb"; grey below 0. Beyond 24 groups they come again. */
export function groupColor(group: number, dark: boolean): string {
  if (group < 0) return dark ? "#6b7178" : "#9aa0a6";
  return (dark ? DARK : LIGHT)[group % COLORS]!;
}

/** The colour of no group, then those of all groups: what `codeGroups` gives are its entries. */
export function groupPalette(dark: boolean): string[] {
  return Array.from({ length: COLORS + 1 }, (_, entry) => groupColor(entry - 1, dark));
}

/** Of each point's group, its entry in the palette. */
export function codeGroups(groups: Int32Array): Uint8Array {
  return Uint8Array.from(groups, (group) => (group < 0 ? 0 : 1 + (group % COLORS)));
}
