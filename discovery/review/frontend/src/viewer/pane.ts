/** Draws the part of a picture that is seen: its own pixels when near, levels as they are set. */
import { applyTable, type LevelWindow, makeTable } from "./levels";
import type { Picture } from "./pictures";
import type { Box } from "./props";
import type { ImageView } from "./view";

const MOST_RATIO = 2;
/** Of the box around the defect, on light and on dark images. */
const BOX_COLORS = ["#000000", "#ffd400"] as const;

/** What is drawn, from the bottom. */
export interface Scene {
  pictures: readonly Picture[];
  window: LevelWindow;
  heat: Picture | null;
  heatShare: number;
  box: Box | null;
}

/** A box of the image as pixels of the canvas: left, top, width, height. */
type Place = [number, number, number, number];

export class Pane {
  readonly element = document.createElement("figure");
  private readonly canvas = document.createElement("canvas");
  private readonly caption = document.createElement("figcaption");
  private readonly context: CanvasRenderingContext2D;
  private ratio = 1;

  constructor() {
    this.element.className = "viewer-pane";
    // Pixels are read back at each change of brightness: in the graphics memory that would be slow.
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("this browser draws on no canvas");
    this.context = context;
    this.element.append(this.canvas, this.caption);
  }

  /** Device pixels a CSS pixel. */
  get pixelRatio(): number {
    return this.ratio;
  }

  setCaption(text: string): void {
    this.caption.textContent = text;
  }

  resize(width: number, height: number): void {
    this.ratio = Math.min(MOST_RATIO, window.devicePixelRatio || 1);
    this.canvas.width = Math.max(1, Math.round(width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.ratio));
  }

  draw(view: ImageView, scene: Scene): void {
    const { context, canvas } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const picture of scene.pictures) this.drawPicture(view, picture, scene.window);
    if (scene.heat && scene.heatShare > 0) {
      context.globalAlpha = scene.heatShare;
      this.drawPicture(view, scene.heat, scene.heat.window);
      context.globalAlpha = 1;
    }
    if (scene.box) this.outline(view, scene.box);
  }

  private drawPicture(view: ImageView, picture: Picture, window: LevelWindow): void {
    const { context } = this;
    const { bitmap, area } = picture;
    const seen = intersect(view.visible, area);
    if (!seen) return;
    const across = bitmap.width / area.width;
    const down = bitmap.height / area.height;
    const place = this.locate(view, seen);
    // Nearer than one to one the pixels are shown as they are; a preview has too few of them.
    context.imageSmoothingEnabled = picture.isPreview || (view.scale * this.ratio) / across < 1;
    context.imageSmoothingQuality = "medium";
    context.drawImage(
      bitmap,
      (seen.x - area.x) * across,
      (seen.y - area.y) * down,
      seen.width * across,
      seen.height * down,
      ...place,
    );
    const table = makeTable(picture.window, window);
    if (table) this.applyLevels(place, table);
  }

  private applyLevels([left, top, width, height]: Place, table: Uint8ClampedArray): void {
    const x = Math.max(0, Math.floor(left));
    const y = Math.max(0, Math.floor(top));
    const w = Math.min(this.canvas.width, Math.ceil(left + width)) - x;
    const h = Math.min(this.canvas.height, Math.ceil(top + height)) - y;
    if (w <= 0 || h <= 0) return;
    const pixels = this.context.getImageData(x, y, w, h);
    applyTable(pixels.data, table);
    this.context.putImageData(pixels, x, y);
  }

  private outline(view: ImageView, box: Box): void {
    const { context } = this;
    const [left, top, width, height] = this.locate(view, box);
    BOX_COLORS.forEach((color, k) => {
      context.strokeStyle = color;
      context.lineWidth = (k === 0 ? 4 : 2) * this.ratio;
      context.strokeRect(left - 1, top - 1, width + 2, height + 2);
    });
  }

  private locate(view: ImageView, box: Box): Place {
    const [left, top] = view.toPane(box.x, box.y);
    return [
      left * this.ratio,
      top * this.ratio,
      box.width * view.scale * this.ratio,
      box.height * view.scale * this.ratio,
    ];
  }
}

function intersect(a: Box, b: Box): Box | null {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - x;
  const height = Math.min(a.y + a.height, b.y + b.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}
