/** Completes the name of a type: whole names, then parts of the path, then anywhere in it. */

const MOST = 8;

function score(name: string, typed: string): number {
  const low = name.toLowerCase();
  if (low === typed) return 0;
  if (low.startsWith(typed)) return 1;
  if (low.split(/[/\s_-]/).some((part) => part.startsWith(typed))) return 2;
  return low.includes(typed) ? 3 : Infinity;
}

/** Names that fit what is typed, best first; of equals, in the order they came. */
export function completeName(typed: string, names: readonly string[]): string[] {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return names.slice(0, MOST);
  return names
    .map((name, order) => ({ name, order, score: score(name, wanted) }))
    .filter((one) => one.score < Infinity)
    .sort((a, b) => a.score - b.score || a.order - b.order)
    .slice(0, MOST)
    .map((one) => one.name);
}

/** Keeps the first of each name. */
export function uniqueNames(...lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].filter((name) => name !== "");
}
