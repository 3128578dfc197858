/** Points in square cells: the nearest one, and those inside a polygon, without looking at all. */
import { isInside } from "./polygon";
import type { Polygon } from "./props";

const POINTS_A_CELL = 4;
const MOST_CELLS_A_SIDE = 2048;
/** A cell counts as crossed a little beyond its edge, since points were sorted in by rounding. */
const MARGIN = 1e-3;

const OUTSIDE = 0;
const WHOLE = 1;
const CROSSED = 2;

interface Bounds {
  left: number;
  right: number;
  bottom: number;
  top: number;
}

export class PointGrid {
  /** Null where no point has a finite position. */
  readonly bounds: Bounds | null;
  private readonly side: number = 1;
  private readonly columns: number = 1;
  private readonly rows: number = 1;
  /** Where the points of each cell begin in `items`. */
  private readonly starts: Uint32Array = new Uint32Array(2);
  private readonly items: Uint32Array = new Uint32Array(0);

  constructor(
    private readonly x: Float32Array,
    private readonly y: Float32Array,
  ) {
    this.bounds = findBounds(x, y);
    if (!this.bounds) return;
    const { left, right, bottom, top } = this.bounds;
    const width = right - left;
    const height = top - bottom;
    const longest = Math.max(width, height);
    const wanted = Math.sqrt((width * height * POINTS_A_CELL) / x.length);
    // All on a line, or all in one place: a side that is not zero.
    this.side = Math.max(wanted, longest / MOST_CELLS_A_SIDE) || 1;
    this.columns = Math.floor(width / this.side) + 1;
    this.rows = Math.floor(height / this.side) + 1;
    [this.starts, this.items] = this.sortIn();
  }

  /** The point nearest to a place, at most `within` away; null where there is none. */
  nearest(x: number, y: number, within: number): number | null {
    if (!this.bounds) return null;
    const [first, last] = this.columnSpan(x - within, x + within);
    const [low, high] = this.rowSpan(y - within, y + within);
    let best: number | null = null;
    let bestSquare = within * within;
    for (let row = low; row <= high; row++) {
      const end = this.starts[row * this.columns + last + 1]!;
      for (let k = this.starts[row * this.columns + first]!; k < end; k++) {
        const i = this.items[k]!;
        const dx = this.x[i]! - x;
        const dy = this.y[i]! - y;
        const square = dx * dx + dy * dy;
        if (square > bestSquare || (square === bestSquare && best !== null)) continue;
        [best, bestSquare] = [i, square];
      }
    }
    return best;
  }

  /** The points inside a polygon by the rule of `isInside`, ascending. */
  inside(polygon: Polygon): Int32Array {
    if (!this.bounds || polygon.length < 3) return new Int32Array(0);
    const found = new Uint8Array(this.x.length);
    let count = 0;
    this.eachCell(polygon, (state, from, to) => {
      for (let k = from; k < to; k++) {
        const i = this.items[k]!;
        if (state === CROSSED && !isInside(polygon, this.x[i]!, this.y[i]!)) continue;
        found[i] = 1;
        count++;
      }
    });
    const indices = new Int32Array(count);
    for (let i = 0, k = 0; k < count; i++) if (found[i]) indices[k++] = i;
    return indices;
  }

  /** Calls `take` with the points of each cell that is inside a polygon or crossed by its edge. */
  private eachCell(
    polygon: Polygon,
    take: (state: number, from: number, to: number) => void,
  ): void {
    const { left, bottom } = this.bounds!;
    const state = this.markCrossed(polygon);
    for (let row = 0; row < this.rows; row++) {
      let inside: boolean | null = null;
      for (let column = 0; column < this.columns; column++) {
        const cell = row * this.columns + column;
        if (state[cell] === CROSSED) {
          inside = null;
        } else {
          // Between two crossed cells nothing changes: one look serves the whole run.
          inside ??= isInside(
            polygon,
            left + (column + 0.5) * this.side,
            bottom + (row + 0.5) * this.side,
          );
          state[cell] = inside ? WHOLE : OUTSIDE;
        }
        if (state[cell] !== OUTSIDE) {
          take(state[cell]!, this.starts[cell]!, this.starts[cell + 1]!);
        }
      }
    }
  }

  /** Marks the cells that an edge of the polygon runs through. */
  private markCrossed(polygon: Polygon): Uint8Array {
    const state = new Uint8Array(this.columns * this.rows);
    const { bottom } = this.bounds!;
    const margin = MARGIN * this.side;
    let a = polygon[polygon.length - 1]!;
    for (const b of polygon) {
      const [lower, upper] = a[1] < b[1] ? [a, b] : [b, a];
      const slope = upper[1] > lower[1] ? (upper[0] - lower[0]) / (upper[1] - lower[1]) : 0;
      const [low, high] = this.rowSpan(lower[1] - margin, upper[1] + margin);
      for (let row = low; row <= high; row++) {
        // The part of the edge within this row.
        const from = Math.max(lower[1], bottom + row * this.side - margin);
        const to = Math.min(upper[1], bottom + (row + 1) * this.side + margin);
        const flat = upper[1] - lower[1] <= margin;
        const x0 = flat ? lower[0] : lower[0] + slope * (Math.min(from, upper[1]) - lower[1]);
        const x1 = flat ? upper[0] : lower[0] + slope * (Math.max(to, lower[1]) - lower[1]);
        const reach = margin + Math.abs(slope) * margin * (flat ? 0 : 1);
        const [first, last] = this.columnSpan(Math.min(x0, x1) - reach, Math.max(x0, x1) + reach);
        state.fill(CROSSED, row * this.columns + first, row * this.columns + last + 1);
      }
      a = b;
    }
    return state;
  }

  private columnSpan(from: number, to: number): [number, number] {
    return spanCells(from - this.bounds!.left, to - this.bounds!.left, this.side, this.columns);
  }

  private rowSpan(from: number, to: number): [number, number] {
    return spanCells(from - this.bounds!.bottom, to - this.bounds!.bottom, this.side, this.rows);
  }

  /** Sorts the points into their cells, by counting. */
  private sortIn(): [Uint32Array, Uint32Array] {
    const { left, bottom } = this.bounds!;
    const n = this.x.length;
    const cells = new Int32Array(n).fill(-1);
    const starts = new Uint32Array(this.columns * this.rows + 1);
    for (let i = 0; i < n; i++) {
      // NaN and infinite positions are in no cell.
      if (!Number.isFinite(this.x[i]! + this.y[i]!)) continue;
      const column = Math.min(this.columns - 1, Math.floor((this.x[i]! - left) / this.side));
      const row = Math.min(this.rows - 1, Math.floor((this.y[i]! - bottom) / this.side));
      cells[i] = row * this.columns + column;
      starts[cells[i]! + 1]!++;
    }
    for (let cell = 1; cell < starts.length; cell++) starts[cell]! += starts[cell - 1]!;
    const next = starts.slice();
    const items = new Uint32Array(starts[starts.length - 1]!);
    for (let i = 0; i < n; i++) if (cells[i]! >= 0) items[next[cells[i]!]!++] = i;
    return [starts, items];
  }
}

/** The first and last cell between two distances; none (1, 0) where both lie outside. */
function spanCells(from: number, to: number, side: number, count: number): [number, number] {
  const first = Math.max(0, Math.floor(from / side));
  const last = Math.min(count - 1, Math.floor(to / side));
  return first <= last ? [first, last] : [1, 0];
}

function findBounds(x: Float32Array, y: Float32Array): Bounds | null {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < x.length; i++) {
    if (!Number.isFinite(x[i]! + y[i]!)) continue;
    if (x[i]! < left) left = x[i]!;
    if (x[i]! > right) right = x[i]!;
    if (y[i]! < bottom) bottom = y[i]!;
    if (y[i]! > top) top = y[i]!;
  }
  return left <= right ? { left, right, bottom, top } : null;
}
