/** What the page says of an image beside its picture, from the columns it holds. */
import type { CellFacts } from "../components/ImageGrid";
import { groupPaint } from "./palette";
import type { Snapshot } from "./store";

export function labelOf(snapshot: Snapshot | null, image: number): string | null {
  const code = snapshot?.label[image] ?? -1;
  return code < 0 ? null : (snapshot?.types[code]?.label ?? null);
}

export function proposalNumberOf(snapshot: Snapshot | null, image: number): string | null {
  const code = snapshot?.proposal[image] ?? -1;
  const row = code < 0 ? undefined : snapshot?.proposals[code];
  return row ? String(row.number) : null;
}

export function describeImage(snapshot: Snapshot | null, image: number): string {
  const label = labelOf(snapshot, image);
  const number = proposalNumberOf(snapshot, image);
  const parts = [`Image ${image + 1}`];
  if (label !== null) parts.push(label);
  else if (number !== null) parts.push(`proposal ${number}`);
  else parts.push("in no type");
  return parts.join(", ");
}

/** The picture's stripe bears the colour of its type. */
export function typeFacts(snapshot: Snapshot | null): (image: number) => CellFacts {
  return (image) => {
    const code = snapshot?.label[image] ?? -1;
    return {
      name: describeImage(snapshot, image),
      color: code < 0 ? undefined : groupPaint(code),
    };
  };
}

export function formatShare(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

/** ".97", as accuracies are written. */
export function formatScore(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return value.toFixed(2).replace(/^(-?)0\./, "$1.");
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

export function countImages(count: number): string {
  return `${formatCount(count)} image${count === 1 ? "" : "s"}`;
}
