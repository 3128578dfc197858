/** What changed between two states, in words: so one sees what somebody else decided. */
import type { StateJson } from "../api/methods";

const MOST = 3;

export function describeChanges(before: StateJson, after: StateJson): string {
  const old = new Map(before.proposals.map((row) => [row.id, row]));
  const changes: string[] = [];
  for (const row of after.proposals) {
    const was = old.get(row.id);
    if (!was) changes.push(`${row.number} is new`);
    else if (was.status !== row.status || was.label !== row.label) {
      const named = row.status === "accepted" && row.label ? ` as ${row.label}` : "";
      changes.push(`${row.number} ${row.status}${named}`);
    }
  }
  const labels = new Set(before.types.map((type) => type.label));
  for (const type of after.types) {
    if (!labels.has(type.label) && !changes.some((text) => text.endsWith(` as ${type.label}`))) {
      changes.push(`new type ${type.label}`);
    }
  }
  const count = after.progress.decisions - before.progress.decisions;
  if (changes.length === 0) {
    return count === 0 ? "a decision was taken back" : "images were moved";
  }
  const more = changes.length - MOST;
  return changes.slice(0, MOST).join("; ") + (more > 0 ? `; ${more} more` : "");
}
