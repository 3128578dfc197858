/** The cursor and the marks of a grid of images: what keys and clicks do to them. */
import { computed, signal } from "@preact/signals";

/** "throw": a click crosses an image out. "select": a click selects it alone. */
export type GridMode = "throw" | "select";

export interface ClickKeys {
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
}

export class GridModel {
  readonly images = signal<ArrayLike<number>>([]);
  readonly cursor = signal(0);
  /** Images, not places in the grid. */
  readonly marked = signal<ReadonlySet<number>>(new Set());
  /** Columns on the screen; the grid tells. */
  columns = 1;
  rowsShown = 1;
  private anchor = 0;

  readonly current = computed(() => this.images.value[this.cursor.value]);

  constructor(readonly mode: GridMode) {}

  /** Shows other images, without marks. */
  show(images: ArrayLike<number>, marked: Iterable<number> = []): void {
    this.images.value = images;
    this.marked.value = new Set(marked);
    this.cursor.value = 0;
    this.anchor = 0;
  }

  /** Shows other images, and keeps what is marked and still shown. */
  update(images: ArrayLike<number>): void {
    const shown = new Set(Array.from(images));
    this.images.value = images;
    this.marked.value = new Set([...this.marked.value].filter((image) => shown.has(image)));
    this.cursor.value = Math.max(0, Math.min(this.cursor.value, images.length - 1));
    this.anchor = this.cursor.value;
  }

  /** Moves the cursor; `extend` marks all from where the range began. */
  move(step: number, extend = false): void {
    const last = this.images.value.length - 1;
    if (last < 0) return;
    const goal = this.cursor.value + step;
    // A step down from the row before the last ends on the last image.
    if (goal < 0 && step < -1) return;
    this.place(Math.max(0, Math.min(last, goal)), extend);
  }

  place(position: number, extend = false): void {
    this.cursor.value = position;
    if (extend) this.markRange(this.anchor, position);
    else this.anchor = position;
  }

  moveRow(rows: number, extend = false): void {
    this.move(rows * this.columns, extend);
  }

  movePage(pages: number, extend = false): void {
    const step = pages * Math.max(1, this.rowsShown - 1) * this.columns;
    const last = this.images.value.length - 1;
    this.place(Math.max(0, Math.min(last, this.cursor.value + step)), extend);
  }

  toggle(position: number = this.cursor.value): void {
    const image = this.images.value[position];
    if (image === undefined) return;
    const marked = new Set(this.marked.value);
    if (!marked.delete(image)) marked.add(image);
    this.marked.value = marked;
    this.anchor = position;
  }

  click(position: number, keys: ClickKeys): void {
    const several = keys.ctrlKey || keys.metaKey;
    if (keys.shiftKey) this.markRange(this.anchor, position);
    else if (several || this.mode === "throw") this.toggle(position);
    else this.marked.value = this.only(position);
    this.cursor.value = position;
    if (!keys.shiftKey) this.anchor = position;
  }

  markAll(): void {
    this.marked.value = new Set(Array.from(this.images.value));
  }

  clear(): void {
    this.marked.value = new Set();
  }

  /** The marked images in the order in which they are shown; or the one under the cursor. */
  get chosen(): number[] {
    const marked = this.marked.value;
    if (marked.size > 0) return Array.from(this.images.value).filter((image) => marked.has(image));
    const current = this.current.value;
    return current === undefined ? [] : [current];
  }

  private only(position: number): Set<number> {
    const image = this.images.value[position];
    return new Set(image === undefined ? [] : [image]);
  }

  private markRange(from: number, to: number): void {
    const marked = new Set(this.mode === "throw" ? this.marked.value : []);
    const images = this.images.value;
    for (let at = Math.min(from, to); at <= Math.max(from, to); at++) {
      const image = images[at];
      if (image !== undefined) marked.add(image);
    }
    this.marked.value = marked;
  }
}
