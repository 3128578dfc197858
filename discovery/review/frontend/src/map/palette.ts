/**
 * Colours of groups that differ by hue and lightness, on white and on a dark page.
 *
 * The 24 were chosen by annealing: the smallest distance in Oklab between any two (and to the grey
 * of what is in no group) was made as large as it gets, as seen by people with normal sight and, at
 * 1.8 times the weight, with each of the three kinds of colour blindness (Machado et al. 2009). The
 * earlier ones are farther apart. The same group has about the same hue in light and dark.
 */

const LIGHT = [
  "#597d01", "#e47ecc", "#144f82", "#652e00", "#bca925", "#c85afd", "#9b6863", "#640ed9",
  "#8279d5", "#840a3f", "#01a35f", "#676243", "#4f838d", "#973e01", "#c7837e", "#a633a8",
  "#958e1f", "#5660bd", "#4e3d59", "#6abf6e", "#8c43ec", "#7e4b67", "#db4595", "#b782e7",
];
const DARK = [
  "#a1d5b6", "#986b9e", "#0aacd8", "#ec9f02", "#f8d61f", "#ff68d6", "#c36954", "#bf06d4",
  "#5a83fe", "#c7aebc", "#4b9074", "#b29a70", "#77c0fe", "#ffb587", "#fd724c", "#d17a9c",
  "#c6f9b6", "#9e9dfe", "#d2c9f7", "#778604", "#9694b8", "#aa4db6", "#d34cf2", "#f4e1f4",
];

export const COLORS = LIGHT.length;

/** The colour of a group as "#rrggbb"; grey below 0. Beyond 24 groups they come again. */
export function groupColor(group: number, dark = false): string {
  if (group < 0) return dark ? "#6b7178" : "#9aa0a6";
  const colors = dark ? DARK : LIGHT;
  return colors[group % colors.length]!;
}

/** The same as three bytes. */
export function groupRgb(group: number, dark = false): [number, number, number] {
  const value = Number.parseInt(groupColor(group, dark).slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Four bytes for each point of a group, for the map; groups below 0 are grey. */
export function colorGroups(groups: Int32Array, dark = false): Uint8Array {
  const colors = new Uint8Array(4 * groups.length);
  const table = new Uint32Array(COLORS + 1);
  const bytes = new Uint8Array(table.buffer);
  for (let k = 0; k <= COLORS; k++) bytes.set([...groupRgb(k - 1, dark), 255], 4 * k);
  const wide = new Uint32Array(colors.buffer);
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i]!;
    wide[i] = table[group < 0 ? 0 : 1 + (group % COLORS)]!;
  }
  return colors;
}
