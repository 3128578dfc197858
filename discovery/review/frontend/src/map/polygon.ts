/** Polygons: which points are inside, and fewer corners for one that was drawn by hand. */
import type { Polygon } from "./props";

/**
 * Tells whether a polygon goes around a point, once or more; in doubles, as the server does, which
 * looks at it again. By the even-odd rule the overlap of a lasso's end with its beginning, which is
 * drawn as inside, would fall out.
 */
export function isInside(polygon: Polygon, x: number, y: number): boolean {
  let turns = 0;
  let [xj, yj] = polygon[polygon.length - 1] ?? [0, 0];
  for (const [xi, yi] of polygon) {
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) turns += yi > yj ? 1 : -1;
    xj = xi;
    yj = yi;
  }
  return turns !== 0;
}

/** The distance of a point from the line through two others, or from `a` where they are one. */
function distanceToChord(
  point: [number, number],
  a: [number, number],
  b: [number, number],
): number {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const length = Math.hypot(dx, dy);
  if (length === 0) return Math.hypot(point[0] - a[0], point[1] - a[1]);
  return Math.abs(dx * (point[1] - a[1]) - dy * (point[0] - a[0])) / length;
}

/** Leaves out corners that lie within `tolerance` of the line without them (Douglas-Peucker). */
export function simplifyPolygon(polygon: Polygon, tolerance: number): Polygon {
  if (polygon.length < 4) return polygon;
  const kept = new Uint8Array(polygon.length);
  kept[0] = kept[polygon.length - 1] = 1;
  const open: [number, number][] = [[0, polygon.length - 1]];
  for (let span = open.pop(); span; span = open.pop()) {
    const [first, last] = span;
    let farthest = 0;
    let at = -1;
    for (let i = first + 1; i < last; i++) {
      const distance = distanceToChord(polygon[i]!, polygon[first]!, polygon[last]!);
      if (distance > farthest) [farthest, at] = [distance, i];
    }
    if (farthest <= tolerance) continue;
    kept[at] = 1;
    open.push([first, at], [at, last]);
  }
  return polygon.filter((_, i) => kept[i]);
}
