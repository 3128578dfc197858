/** A page of doubt: each image is to become what it looks like, unless a person says otherwise. */
import type { DoubtPage, Groups } from "../api/methods";

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

  /**
   * What is decided, by type: images that are confirmed or named, their near copies, which nobody
   * saw, and what is crossed out of the type it looks like.
   */
  settle(crossed: ReadonlySet<number>): { moves: Groups; copies: Groups; thrown: Groups } {
    const moves = new Map<string, number[]>();
    const copies = new Map<string, number[]>();
    const thrown = new Map<string, number[]>();
    const put = (groups: Map<string, number[]>, label: string, images: readonly number[]) => {
      if (images.length > 0) groups.set(label, [...(groups.get(label) ?? []), ...images]);
    };
    for (const image of this.page.images) {
      const goal = this.goalOf(image);
      if (goal === "") continue;
      put(crossed.has(image) ? thrown : moves, goal, [image]);
      if (!crossed.has(image)) put(copies, goal, this.page.folded?.[String(image)] ?? []);
    }
    const [settled, followed, out] = [moves, copies, thrown].map((of) => Object.fromEntries(of));
    return { moves: settled ?? {}, copies: followed ?? {}, thrown: out ?? {} };
  }
}

/** How many of a page look like each type, in the order of the page. */
export function countLikely(page: DoubtPage): [string, number][] {
  const counts = new Map<string, number>();
  for (const label of page.likely) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts];
}
