/** Where the map looks: data to pixels and back, zoom at a place, what fits. y points up. */
import type { MapView } from "./props";

/** Beyond this a float32 position is coarser than a pixel. */
const MOST_ZOOM = 4096;
const LEAST_ZOOM = 0.25;
/** The share of the shorter side that stays free around what fits. */
const BORDER = 0.06;

export interface Box {
  left: number;
  right: number;
  bottom: number;
  top: number;
}

export class Camera {
  width = 1;
  height = 1;
  /** The place in the middle. */
  x = 0;
  y = 0;
  /** Pixels (CSS) a unit of the data. */
  scale = 1;
  private box: Box = { left: -1, right: 1, bottom: -1, top: 1 };
  private fittingScale = 1;

  get zoom(): number {
    return this.scale / this.fittingScale;
  }

  get view(): MapView {
    return { x: this.x, y: this.y, zoom: this.zoom };
  }

  /** Keeps the place in the middle and the zoom. */
  resize(width: number, height: number): void {
    const zoom = this.zoom;
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.fittingScale = this.findFittingScale();
    this.scale = this.fittingScale * zoom;
  }

  fit(box: Box = this.box): void {
    this.box = box;
    this.fittingScale = this.scale = this.findFittingScale();
    this.x = (box.left + box.right) / 2;
    this.y = (box.bottom + box.top) / 2;
  }

  /** Looks where another camera looked. */
  show(view: MapView): void {
    [this.x, this.y] = [view.x, view.y];
    this.scale = this.fittingScale * view.zoom;
    this.keepNear();
  }

  pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
    this.keepNear();
  }

  /** Zooms so that the place under a pixel stays there. */
  zoomAt(factor: number, px: number, py: number): void {
    const before = this.toData(px, py);
    const zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.zoom * factor));
    this.scale = this.fittingScale * zoom;
    const after = this.toData(px, py);
    this.x += before[0] - after[0];
    this.y += before[1] - after[1];
    this.keepNear();
  }

  toPixel(x: number, y: number): [number, number] {
    return [
      (x - this.x) * this.scale + this.width / 2,
      (this.y - y) * this.scale + this.height / 2,
    ];
  }

  toData(px: number, py: number): [number, number] {
    return [
      (px - this.width / 2) / this.scale + this.x,
      this.y - (py - this.height / 2) / this.scale,
    ];
  }

  /** Nobody gets lost: the middle stays over the data. */
  private keepNear(): void {
    this.x = Math.min(this.box.right, Math.max(this.box.left, this.x));
    this.y = Math.min(this.box.top, Math.max(this.box.bottom, this.y));
  }

  private findFittingScale(): number {
    const free = 1 - 2 * BORDER;
    const width = this.box.right - this.box.left;
    const height = this.box.top - this.box.bottom;
    const scale = Math.min((this.width * free) / width, (this.height * free) / height);
    // One point, or all in one place.
    return Number.isFinite(scale) && scale > 0 ? scale : 1;
  }
}

/** The radius of a point in pixels: many points are small, and grow where one zooms in. */
export function pointRadius(count: number, area: number, zoom: number): number {
  const share = Math.sqrt(area / Math.max(1, count) / Math.PI);
  const base = Math.min(4, 0.36 * share);
  return Math.min(7, Math.max(1, base * Math.max(1, zoom) ** 0.3));
}
