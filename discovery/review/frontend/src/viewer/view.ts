/** Which part of the image is seen, and how large: pixels of the image to pixels of the screen. */
import type { Box } from "./props";

/** Screen pixels that one pixel of the image may take. */
const MOST_SCALE = 64;

export class ImageView {
  paneWidth = 1;
  paneHeight = 1;
  /** CSS pixels a pixel of the image. */
  scale = 1;
  /** The place of the image in the middle of the pane. */
  x = 0;
  y = 0;
  /** Whether the whole image was asked for: it is kept whole when the pane changes. */
  isFitted = true;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.fit();
  }

  get fittingScale(): number {
    return Math.min(this.paneWidth / this.width, this.paneHeight / this.height, MOST_SCALE);
  }

  resize(width: number, height: number): void {
    this.paneWidth = Math.max(1, width);
    this.paneHeight = Math.max(1, height);
    if (this.isFitted) this.fit();
    else this.limit();
  }

  fit(): void {
    this.scale = this.fittingScale;
    this.x = this.width / 2;
    this.y = this.height / 2;
    this.isFitted = true;
  }

  zoomAt(factor: number, px: number, py: number): void {
    this.setScale(this.scale * factor, px, py);
  }

  /** Sets the scale so that what lies under a pixel of the pane stays there. */
  setScale(scale: number, px = this.paneWidth / 2, py = this.paneHeight / 2): void {
    const [x, y] = this.toImage(px, py);
    const least = Math.min(this.fittingScale, 1);
    this.scale = Math.min(MOST_SCALE, Math.max(least, scale));
    this.x = x - (px - this.paneWidth / 2) / this.scale;
    this.y = y - (py - this.paneHeight / 2) / this.scale;
    this.isFitted = this.scale === this.fittingScale;
    this.limit();
  }

  pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.limit();
  }

  /** Whether the image is wider (or higher) than the pane. */
  get overflows(): { x: boolean; y: boolean } {
    // Half a pixel: what was fitted must not overflow by a rounding.
    return {
      x: this.width * this.scale > this.paneWidth + 0.5,
      y: this.height * this.scale > this.paneHeight + 0.5,
    };
  }

  toImage(px: number, py: number): [number, number] {
    return [
      this.x + (px - this.paneWidth / 2) / this.scale,
      this.y + (py - this.paneHeight / 2) / this.scale,
    ];
  }

  toPane(x: number, y: number): [number, number] {
    return [
      (x - this.x) * this.scale + this.paneWidth / 2,
      (y - this.y) * this.scale + this.paneHeight / 2,
    ];
  }

  /** The whole pixels of the image that are seen. */
  get visible(): Box {
    const [left, top] = this.toImage(0, 0);
    const [right, bottom] = this.toImage(this.paneWidth, this.paneHeight);
    const x = Math.max(0, Math.floor(left));
    const y = Math.max(0, Math.floor(top));
    return {
      x,
      y,
      width: Math.min(this.width, Math.ceil(right)) - x,
      height: Math.min(this.height, Math.ceil(bottom)) - y,
    };
  }

  /** No empty border where the image could fill it; a smaller image stays in the middle. */
  private limit(): void {
    const { x, y } = this.overflows;
    const halfWidth = this.paneWidth / 2 / this.scale;
    const halfHeight = this.paneHeight / 2 / this.scale;
    this.x = x ? Math.min(this.width - halfWidth, Math.max(halfWidth, this.x)) : this.width / 2;
    this.y = y
      ? Math.min(this.height - halfHeight, Math.max(halfHeight, this.y))
      : this.height / 2;
  }
}
