/** Which rows of a long grid are on the screen. */

export interface Layout {
  columns: number;
  cell: number;
  rows: number;
  height: number;
}

export const GAP = 6;
const OVERSCAN = 3;

/** Lays out as many columns of at least `cell` pixels as there is room for. */
export function layOut(count: number, width: number, cell: number): Layout {
  const columns = Math.max(1, Math.floor((width + GAP) / (cell + GAP)));
  const rows = Math.ceil(count / columns);
  // Cells take what is left over, so that rows end at the edge.
  const side = Math.max(cell, Math.floor((width + GAP) / columns) - GAP);
  return { columns, cell: side, rows, height: Math.max(0, rows * (side + GAP) - GAP) };
}

export function visibleRows(layout: Layout, top: number, height: number): [number, number] {
  const step = layout.cell + GAP;
  const first = Math.max(0, Math.floor(top / step) - OVERSCAN);
  const last = Math.min(layout.rows, Math.ceil((top + height) / step) + OVERSCAN);
  return [first, Math.max(first, last)];
}

/** Where to scroll so that a row is seen whole; null where it is. */
export function scrollFor(layout: Layout, row: number, top: number, height: number): number | null {
  const step = layout.cell + GAP;
  const begin = row * step;
  if (begin < top) return begin;
  if (begin + layout.cell > top + height) return begin + layout.cell - height;
  return null;
}
