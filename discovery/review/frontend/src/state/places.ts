/** Where on the map the name of a group is written. */
import type { Snapshot } from "./store";

const MOST_POINTS = 400;

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}

/** One label a proposal (its number, and its type's name where it has one), large ones first. */
export function placeLabels(
  x: Float32Array,
  y: Float32Array,
  snapshot: Pick<Snapshot, "proposal" | "proposals">,
): { text: string; x: number; y: number }[] {
  const members = snapshot.proposals.map((): number[] => []);
  snapshot.proposal.forEach((code, image) => {
    // A median of some hundreds is near enough to write a name at.
    const list = members[code];
    if (list && list.length < MOST_POINTS && Number.isFinite(x[image])) list.push(image);
  });
  return snapshot.proposals
    .map((row, code) => ({ row, images: members[code] ?? [] }))
    .filter(({ images }) => images.length > 0)
    .sort((a, b) => b.row.size - a.row.size)
    .map(({ row, images }) => ({
      text: row.label ? `${row.number} ${row.label}` : String(row.number),
      x: median(images.map((image) => x[image] as number)),
      y: median(images.map((image) => y[image] as number)),
    }));
}
