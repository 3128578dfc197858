/** Points on a Canvas 2D: pixels are written one by one, which is faster than its own circles. */
import type { Points } from "./points";
import { type Renderer, SELECTED_GROWTH, UNSELECTED_ALPHA } from "./renderer";
import type { Camera } from "./view";

/** Work that leaves time for the rest of a frame at 30 a second. */
const TARGET_MS = 22;

/** From this radius on a darker rim tells points apart that lie on each other. */
const RIM_FROM = 3.25;
/** So far beyond its radius a disc fades out. */
const SOFT = 0.75;

/** The pixels of a disc, as steps from its middle; the outermost are covered in part. */
interface Stamp {
  reach: number;
  full: Int32Array;
  rim: Int32Array;
  part: Int32Array;
  /** Of each pixel of `part`. */
  share: Float32Array;
}

export class CanvasRenderer implements Renderer {
  readonly target = TARGET_MS;
  readonly isImmediate = true;
  private readonly context: CanvasRenderingContext2D;
  private image: ImageData;
  private pixels: Uint32Array;
  private points: Points | null = null;
  /** The colours as they are written: one number a point. */
  private inks = new Uint32Array(0);

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser draws on no canvas");
    this.context = context;
    this.image = context.createImageData(1, 1);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  resize(width: number, height: number, ratio: number): void {
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.image = this.context.createImageData(this.canvas.width, this.canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  setPoints(points: Points): void {
    this.setStyle(points);
  }

  setStyle(points: Points): void {
    this.points = points;
    const unselected = points.selected.length ? UNSELECTED_ALPHA : 1;
    const inks = new Uint8Array(points.colors);
    for (let k = 0; k < points.flags.length; k++) {
      if (!points.flags[k]) inks[4 * k + 3] = Math.round(inks[4 * k + 3]! * unselected);
    }
    this.inks = new Uint32Array(inks.buffer);
  }

  draw(camera: Camera, radius: number, count: number): void {
    this.pixels.fill(0);
    const ratio = this.canvas.width / camera.width;
    if (this.points) {
      const { flags, selected } = this.points;
      const stamp = makeStamp(radius * ratio, this.canvas.width);
      // The selected ones lie over all others.
      this.stampAll(camera, ratio, stamp, count, (k) => !flags[k]);
      const large = makeStamp(radius * ratio * SELECTED_GROWTH, this.canvas.width);
      this.stampAll(camera, ratio, large, selected.length, () => true, selected);
    }
    this.context.putImageData(this.image, 0, 0);
  }

  destroy(): void {
    this.points = null;
  }

  private stampAll(
    camera: Camera,
    ratio: number,
    stamp: Stamp,
    count: number,
    takes: (k: number) => boolean,
    which: Uint32Array | null = null,
  ): void {
    const { width, height } = this.canvas;
    const { inks, pixels } = this;
    const { full, rim, part, share, reach } = stamp;
    const positions = this.points!.positions;
    const scale = camera.scale * ratio;
    const left = width / 2 - camera.x * scale;
    const top = height / 2 + camera.y * scale;
    for (let i = 0; i < count; i++) {
      const k = which ? which[i]! : i;
      if (!takes(k)) continue;
      const px = Math.floor(positions[2 * k]! * scale + left);
      const py = Math.floor(top - positions[2 * k + 1]! * scale);
      if (px < reach || py < reach || px >= width - reach || py >= height - reach) continue;
      const at = py * width + px;
      const ink = inks[k]!;
      for (let s = 0; s < full.length; s++) pixels[at + full[s]!] = ink;
      if (rim.length) stampRim(pixels, at, rim, ink);
      const color = ink & 0xffffff;
      for (let s = 0; s < part.length; s++) {
        // What is there already is not covered by a part.
        if (pixels[at + part[s]!]) continue;
        pixels[at + part[s]!] = (((ink >>> 24) * share[s]!) << 24) | color;
      }
    }
  }
}

/** Writes the rim: two thirds of each colour. */
function stampRim(pixels: Uint32Array, at: number, rim: Int32Array, ink: number): void {
  const red = ((ink & 0xff) * 2) / 3;
  const green = (((ink >>> 8) & 0xff) * 2) / 3;
  const blue = (((ink >>> 16) & 0xff) * 2) / 3;
  const dark = ((ink >>> 24) << 24) | (blue << 16) | (green << 8) | red;
  for (let s = 0; s < rim.length; s++) pixels[at + rim[s]!] = dark;
}

function makeStamp(radius: number, width: number): Stamp {
  const full: number[] = [];
  const rim: number[] = [];
  const part: number[] = [];
  const share: number[] = [];
  const reach = Math.ceil(radius) + 1;
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      // Seen from the middle of the four pixels around a corner, small discs are round too.
      const inside = radius - Math.hypot(dx + 0.5, dy + 0.5);
      const at = dy * width + dx;
      if (inside >= 1 || (inside >= 0 && radius < RIM_FROM)) full.push(at);
      else if (inside >= 0) rim.push(at);
      else if (inside > -SOFT) {
        part.push(at);
        share.push(1 + inside / SOFT);
      }
    }
  }
  return {
    reach,
    full: Int32Array.from(full),
    rim: Int32Array.from(rim),
    part: Int32Array.from(part),
    share: Float32Array.from(share),
  };
}
