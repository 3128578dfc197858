/** Whether places lie on a lattice, as dies do. */

/** Dies a side at most; more different places than that are places of defects. */
const MOST_DIES = 200;
/** Three places are on some lattice by chance. */
const LEAST_DIES = 4;
/** How far from a multiple of the pitch a place may lie, as a share of it. */
const TOLERANCE = 0.05;

/** The distance between neighbouring dies along one axis; null where places lie anywhere. */
export function findPitch(values: ArrayLike<number>): number | null {
  const different = [...new Set(Array.from(values))].sort((a, b) => a - b);
  const first = different[0];
  if (first === undefined || different.length < LEAST_DIES || different.length > MOST_DIES) return null;
  let pitch = Infinity;
  for (let i = 1; i < different.length; i++) {
    pitch = Math.min(pitch, different[i]! - different[i - 1]!);
  }
  const isLattice = different.every((value) => {
    const steps = (value - first) / pitch;
    return Math.abs(steps - Math.round(steps)) <= TOLERANCE;
  });
  const span = different[different.length - 1]! - first;
  return isLattice && span / pitch <= MOST_DIES ? pitch : null;
}
