/** A page of doubt: each image is to become what it looks like, unless a person says otherwise. */
import type { DoubtPage } from "../api/methods";

export class DoubtPlan {
  private readonly likely: Map<number, string>;

  constructor(
    readonly page: DoubtPage,
    /** What a person said instead. */
    private readonly said: ReadonlyMap<number, string> = new Map(),
  ) {
    this.likely = new Map(page.images.map((image, at) => [image, page.likely[at] ?? ""]));
  }

  /** The type that confirming gives an image. */
  goalOf(image: number): string {
    return this.said.get(image) ?? this.likely.get(image) ?? "";
  }

  isSaid(image: number): boolean {
    return this.said.has(image);
  }

  say(images: readonly number[], label: string): DoubtPlan {
    const said = new Map(this.said);
    for (const image of images) said.set(image, label);
    return new DoubtPlan(this.page, said);
  }

  /** What is confirmed, by type: near copies with their image, and nothing that is crossed out. */
  moves(crossed: ReadonlySet<number>): Record<string, number[]> {
    const moves = new Map<string, number[]>();
    for (const image of this.page.images) {
      const goal = this.goalOf(image);
      if (crossed.has(image) || goal === "") continue;
      const images = moves.get(goal) ?? [];
      images.push(image, ...(this.page.folded?.[String(image)] ?? []));
      moves.set(goal, images);
    }
    return Object.fromEntries(moves);
  }
}

/** How many of a page look like each type, in the order of the page. */
export function countLikely(page: DoubtPage): [string, number][] {
  const counts = new Map<string, number>();
  for (const label of page.likely) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts];
}
