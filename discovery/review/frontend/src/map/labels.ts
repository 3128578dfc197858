/** Places names so that none covers another and none is cut off at an edge. */

export interface LabelBox {
  /** Where the group is, in pixels. */
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface PlacedLabel {
  index: number;
  /** The upper left corner. */
  left: number;
  top: number;
  /** Which of the places around the group it took. */
  place: number;
}

const EDGE = 4;
const GAP = 3;

/** Over the group, above, below, right, left: how far from its middle, in sizes of the label. */
const PLACES: readonly [number, number][] = [
  [0, 0],
  [0, -1.1],
  [0, 1.1],
  [0.6, 0],
  [-0.6, 0],
];

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

function overlaps(a: LabelBox, b: LabelBox): boolean {
  return (
    a.x < b.x + b.width + GAP &&
    b.x < a.x + a.width + GAP &&
    a.y < b.y + b.height + GAP &&
    b.y < a.y + a.height + GAP
  );
}

/**
 * Places as many labels as have room, the first ones first. A label whose group is out of sight is
 * left out; one near an edge is moved inwards. `before` keeps each at the side it was, so that names
 * do not jump while the map moves.
 */
export function placeLabels(
  boxes: readonly LabelBox[],
  width: number,
  height: number,
  before: ReadonlyMap<number, number> = new Map(),
): PlacedLabel[] {
  const placed: PlacedLabel[] = [];
  const taken: LabelBox[] = [];
  boxes.forEach((box, index) => {
    if (box.x < 0 || box.y < 0 || box.x > width || box.y > height) return;
    if (box.width + 2 * EDGE > width || box.height + 2 * EDGE > height) return;
    const first = before.get(index) ?? 0;
    for (let k = 0; k < PLACES.length; k++) {
      const place = k === 0 ? first : k <= first ? k - 1 : k;
      const [right, down] = PLACES[place]!;
      const left = box.x - box.width / 2 + right * box.width;
      const top = box.y - box.height / 2 + down * box.height;
      const shown = {
        ...box,
        x: clamp(left, EDGE, width - box.width - EDGE),
        y: clamp(top, EDGE, height - box.height - EDGE),
      };
      if (taken.some((other) => overlaps(shown, other))) continue;
      taken.push(shown);
      placed.push({ index, left: shown.x, top: shown.y, place });
      return;
    }
  });
  return placed;
}
