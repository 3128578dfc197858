/** Colours of groups that have none of their own: as far apart as 20 can be on light and dark. */

export const GROUP_COLORS = [
  "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1",
  "#76b7b2", "#c9a227", "#ff7f9f", "#9c755f", "#8f8be0",
  "#2f9e8f", "#d1605e", "#86bc4b", "#d67ac2", "#5fa8d3",
  "#b9632f", "#7d9bb5", "#a3a03c", "#c4686f", "#6d7fd1",
] as const;

export const NO_GROUP = "#8a9099";

export function groupColor(group: number): string {
  return group < 0 ? NO_GROUP : (GROUP_COLORS[group % GROUP_COLORS.length] ?? NO_GROUP);
}

/** Colour codes for the map: 0 is no group, the others go round. */
export function groupCodes(group: Int32Array): { color: Uint8Array; palette: string[] } {
  const color = Uint8Array.from(group, (one) => (one < 0 ? 0 : 1 + (one % GROUP_COLORS.length)));
  return { color, palette: [NO_GROUP, ...GROUP_COLORS] };
}

const MOST_CODES = 255;

/** Colour codes of types, whose colours the server gives. */
export function typeCodes(
  label: Int32Array,
  types: readonly { color: string }[],
): { color: Uint8Array; palette: string[] } {
  const color = Uint8Array.from(label, (one) => (one < 0 ? 0 : 1 + (one % MOST_CODES)));
  const own = types.slice(0, MOST_CODES).map((type) => type.color);
  return { color, palette: [NO_GROUP, ...own] };
}
