/** Doubtful images, grouped: what sits in one type and looks like another. */
import type { DoubtPage } from "../api/methods";

export interface DoubtGroup {
  current: string;
  likely: string;
  images: number[];
}

/** Groups in the order of their first image, which is the order of doubt. */
export function groupDoubt(page: DoubtPage): DoubtGroup[] {
  const groups = new Map<string, DoubtGroup>();
  page.images.forEach((image, at) => {
    const current = page.current[at] ?? "";
    const likely = page.likely[at] ?? "";
    const key = JSON.stringify([current, likely]);
    const group = groups.get(key) ?? { current, likely, images: [] };
    group.images.push(image);
    groups.set(key, group);
  });
  return [...groups.values()];
}
