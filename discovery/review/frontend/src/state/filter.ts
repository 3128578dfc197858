/** Which images the screen of all images shows. */
import type { Snapshot } from "./store";

export type SourceFilter = "any" | "none" | "cluster" | "human";

export interface Filter {
  /** A type's name; "" any. */
  type: string;
  proposal: string;
  source: SourceFilter;
  /** Part of a file name or id. */
  text: string;
  column: string;
  value: string;
}

export const NO_FILTER: Filter = {
  type: "",
  proposal: "",
  source: "any",
  text: "",
  column: "",
  value: "",
};

/** No image bears this code, while -1 is the code of what is in none. */
const NOWHERE = -2;
const SOURCES: readonly SourceFilter[] = ["none", "cluster", "human"];

/**
 * Positions that pass, in the order of `among` (all images where it is null). Names and metadata
 * are the server's to look through: what it found comes as `found`.
 */
export function filterImages(
  snapshot: Snapshot,
  filter: Filter,
  among: ArrayLike<number> | null,
  found: ArrayLike<number> | null,
): Int32Array {
  const n = snapshot.label.length;
  const type = findCode(snapshot.types, (row) => row.label === filter.type);
  const proposal = findCode(snapshot.proposals, (row) => row.id === filter.proposal);
  const source = SOURCES.indexOf(filter.source);
  const passes = found ? new Uint8Array(n) : null;
  if (found && passes) for (let at = 0; at < found.length; at++) passes[found[at] as number] = 1;
  const images = new Int32Array(n);
  let count = 0;
  for (let at = 0; at < n; at++) {
    const image = among ? (among[at] as number) : at;
    if (filter.type !== "" && snapshot.label[image] !== type) continue;
    if (filter.proposal !== "" && snapshot.proposal[image] !== proposal) continue;
    if (source >= 0 && snapshot.source[image] !== source) continue;
    if (passes && passes[image] === 0) continue;
    images[count++] = image;
  }
  return images.subarray(0, count);
}

/** A type that was renamed or taken back meanwhile holds no image. */
function findCode<T>(rows: readonly T[], is: (row: T) => boolean): number {
  const at = rows.findIndex(is);
  return at < 0 ? NOWHERE : at;
}

/** What of a filter goes into the ledger: only what was set. */
export function describeFilter(filter: Filter): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filter).filter(([name, value]) => value !== NO_FILTER[name as keyof Filter]),
  );
}
