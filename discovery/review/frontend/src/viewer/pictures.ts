/** The pictures of one image: which are needed, and what came of them. */
import { decodePicture } from "./decode";
import { findWindow, type LevelWindow } from "./levels";
import type { Box, PictureKind, PictureOptions, ViewerInfo, ViewerProps } from "./props";
import type { ImageView } from "./view";

const EIGHT_BITS: LevelWindow = [0, 255];
/** What moves is not asked for; what has rested so long is. */
const REST_MS = 180;
const SAMPLE_SIDE = 256;
const PREVIEW_SIDE = 256;
/** Pixels from which on a preview is shown first. */
const PREVIEWED = 1_500_000;

export interface Picture {
  bitmap: ImageBitmap;
  /** The levels it was drawn with. */
  window: LevelWindow;
  /** The part of the image it shows, in pixels of the image. */
  area: Box;
  /** Small, until the whole one is here. */
  isPreview: boolean;
}

type Slot = "image" | "detail" | "reference" | "heat";

export class Pictures {
  readonly shown: Partial<Record<Slot, Picture>> = {};
  /** Why the last one that was asked for is not here; "" if it is. */
  error = "";
  private readonly tasks = new Map<string, AbortController>();
  private timer = 0;
  private detailTimer = 0;

  /** @param onChange called when a picture has come, or failed */
  constructor(
    private readonly props: ViewerProps,
    private readonly onChange: () => void,
  ) {}

  /** Whether a window of levels is drawn here; else each is asked for. */
  get isWindowedHere(): boolean {
    return this.props.info.bits <= 8;
  }

  open(): void {
    const { info } = this.props;
    const levels = startWindow(info);
    const isLarge = info.width * info.height > PREVIEWED;
    const preview = isLarge && this.load("image", "thumb", { size: PREVIEW_SIDE }, levels);
    void Promise.resolve(preview).then(() => this.loadImage(levels));
  }

  close(): void {
    for (const task of this.tasks.values()) task.abort();
    window.clearTimeout(this.timer);
    window.clearTimeout(this.detailTimer);
    for (const picture of Object.values(this.shown)) picture.bitmap.close();
  }

  /** Asks for the pictures in another window, once it has rested. */
  setWindow(levels: LevelWindow): void {
    if (this.isWindowedHere) return;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      void this.loadImage(levels);
      this.drop("detail");
      if (this.shown.reference) void this.loadReference(levels);
    }, REST_MS);
  }

  needReference(levels: LevelWindow): void {
    if (!this.tasks.has("reference")) void this.loadReference(levels);
  }

  needHeat(): void {
    if (!this.tasks.has("heat")) void this.load("heat", "heat", {}, EIGHT_BITS);
  }

  /** Asks for the part that is seen, where the picture of the whole has fewer pixels than it. */
  needDetail(view: ImageView, ratio: number, levels: LevelWindow): void {
    window.clearTimeout(this.detailTimer);
    const { image, detail } = this.shown;
    if (!image || image.isPreview) return;
    const has = image.bitmap.width / image.area.width;
    if (has >= 1 || view.scale * ratio <= has || (detail && covers(detail.area, view.visible))) {
      return;
    }
    this.detailTimer = window.setTimeout(() => {
      const seen = view.visible;
      const { x: x0, y: y0, width, height } = seen;
      const options = { ...this.optionsOf(levels), x0, y0, width, height };
      void this.load("detail", "full", options, this.drawnWindow(levels), seen);
    }, REST_MS);
  }

  /** Finds the window that nearly all pixels of the image lie in. */
  async findWindow(range: LevelWindow): Promise<LevelWindow | null> {
    const { image } = this.shown;
    if (!image) return null;
    if (this.isWindowedHere) return findWindow(sample(image.bitmap), image.window);
    // A byte tells 256 levels apart: looked at twice, the second time within what was found.
    let levels = range;
    for (let pass = 0; pass < 2; pass++) {
      const bitmap = await this.fetch("auto", "full", { low: levels[0], high: levels[1] });
      if (!bitmap) return null;
      levels = findWindow(sample(bitmap), levels);
      bitmap.close();
    }
    return levels;
  }

  private loadImage(levels: LevelWindow): Promise<void> {
    return this.load("image", "full", this.optionsOf(levels), this.drawnWindow(levels));
  }

  private loadReference(levels: LevelWindow): Promise<void> {
    return this.load("reference", "reference", this.optionsOf(levels), this.drawnWindow(levels));
  }

  private drawnWindow(levels: LevelWindow): LevelWindow {
    return this.isWindowedHere ? EIGHT_BITS : levels;
  }

  private optionsOf(levels: LevelWindow): PictureOptions {
    const [low, high] = this.drawnWindow(levels);
    return { low, high };
  }

  private async load(
    slot: Slot,
    kind: PictureKind,
    options: PictureOptions,
    levels: LevelWindow,
    area?: Box,
  ): Promise<void> {
    const bitmap = await this.fetch(slot, kind, options);
    if (!bitmap) return;
    const { width, height } = this.props.info;
    const whole = { x: 0, y: 0, width, height };
    const before = this.shown[slot];
    const isPreview = kind === "thumb";
    this.shown[slot] = { bitmap, window: levels, area: area ?? whole, isPreview };
    before?.bitmap.close();
    this.onChange();
  }

  /** Null where another picture was asked for in the meantime, or none came. */
  private async fetch(
    task: string,
    kind: PictureKind,
    options: PictureOptions,
  ): Promise<ImageBitmap | null> {
    this.tasks.get(task)?.abort();
    const abort = new AbortController();
    this.tasks.set(task, abort);
    try {
      const source = await this.props.imageUrl(this.props.index, kind, options);
      const bitmap = await decodePicture(source, abort.signal);
      if (!abort.signal.aborted) {
        this.error = "";
        return bitmap;
      }
      bitmap.close();
    } catch (error) {
      if (!abort.signal.aborted) this.fail(error);
    }
    return null;
  }

  private fail(error: unknown): void {
    this.error = error instanceof Error ? error.message : String(error);
    this.onChange();
  }

  private drop(slot: Slot): void {
    this.tasks.get(slot)?.abort();
    this.shown[slot]?.bitmap.close();
    delete this.shown[slot];
  }
}

export function startWindow(info: ViewerInfo): LevelWindow {
  return [info.low, info.high];
}

function covers(outer: Box, inner: Box): boolean {
  return (
    outer.x <= inner.x &&
    outer.y <= inner.y &&
    outer.x + outer.width >= inner.x + inner.width &&
    outer.y + outer.height >= inner.y + inner.height
  );
}

/** Some of a picture's pixels: whole ones, so that noise keeps its width. */
function sample(bitmap: ImageBitmap): Uint8ClampedArray {
  const canvas = document.createElement("canvas");
  canvas.width = Math.min(SAMPLE_SIDE, bitmap.width);
  canvas.height = Math.min(SAMPLE_SIDE, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return new Uint8ClampedArray(0);
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height).data;
}
