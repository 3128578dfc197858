/** A rectangle in pixels that arrow keys move and, with shift, make larger or smaller. */

const STEP = 0.04;
const LEAST_SIDE = 8;

export interface Rectangle {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A quarter of the map's sides, in its middle. */
export function startRectangle(width: number, height: number): Rectangle {
  return { left: width * 0.375, top: height * 0.375, width: width / 4, height: height / 4 };
}

/** Moves by a step, or grows by it about the middle; never beyond the map. */
export function changeRectangle(
  old: Rectangle,
  [right, down]: [number, number],
  grows: boolean,
  bounds: { width: number; height: number },
): Rectangle {
  const step = STEP * Math.min(bounds.width, bounds.height);
  const dx = right * step;
  const dy = down * step;
  const next = grows
    ? {
        width: Math.min(bounds.width, Math.max(LEAST_SIDE, old.width + 2 * dx)),
        // Up makes it higher, as right makes it wider.
        height: Math.min(bounds.height, Math.max(LEAST_SIDE, old.height - 2 * dy)),
      }
    : { width: old.width, height: old.height };
  const x = old.left + old.width / 2 + (grows ? 0 : dx);
  const y = old.top + old.height / 2 + (grows ? 0 : dy);
  return {
    ...next,
    left: Math.min(bounds.width - next.width, Math.max(0, x - next.width / 2)),
    top: Math.min(bounds.height - next.height, Math.max(0, y - next.height / 2)),
  };
}

export function cornersOf({ left, top, width, height }: Rectangle): [number, number][] {
  return [
    [left, top],
    [left + width, top],
    [left + width, top + height],
    [left, top + height],
  ];
}
