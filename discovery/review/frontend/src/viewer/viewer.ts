/** One image at full resolution: zoom, levels, scale, heat map and golden image. */
import "./viewer.css";
import { type ControlActions, Controls, type ReferenceMode, ZOOM_STEP } from "./controls";
import { answerKey } from "./keys";
import { type LevelWindow, limitWindow } from "./levels";
import { Pane, type Scene } from "./pane";
import { Pictures, startWindow } from "./pictures";
import { attachPointer } from "./pointer";
import type { MountedViewer, ViewerInfo, ViewerProps } from "./props";
import { chooseScaleBar } from "./scale_bar";
import { Shell } from "./shell";
import { ImageView } from "./view";

const HEAT_SHARE = 0.6;
const MOST_BAR = 160;
const NO_REFERENCE = "the golden image is on its way";

export function mountViewer(element: HTMLElement, props: ViewerProps): MountedViewer {
  const viewer = new ViewerComponent(element, props);
  return {
    update: (changed) => viewer.update(changed),
    destroy: () => viewer.destroy(),
  };
}

class ViewerComponent {
  private readonly shell: Shell;
  private readonly abort = new AbortController();
  private readonly image = new Pane();
  private readonly golden = new Pane();
  private readonly observer: ResizeObserver;
  private controls!: Controls;
  private view!: ImageView;
  private pictures!: Pictures;
  private levels: LevelWindow = [0, 255];
  private heat = false;
  private heatShare = HEAT_SHARE;
  private reference: ReferenceMode = "off";
  /** In the blink mode: which of the two is seen. */
  private isGolden = false;
  private frame = 0;

  constructor(
    element: HTMLElement,
    private props: ViewerProps,
  ) {
    const { signal } = this.abort;
    this.shell = new Shell(element, () => this.props.onClose?.());
    this.shell.root.classList.toggle("viewer-dark", Boolean(props.dark));
    const locate = (event: MouseEvent): [number, number] => this.locate(event);
    attachPointer(this.shell.stage, locate, this.pointer, signal);
    this.shell.keys.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.shell.stage);
    this.open();
  }

  update(changed: Partial<ViewerProps>): void {
    const old = this.props;
    this.props = { ...old, ...changed };
    this.shell.root.classList.toggle("viewer-dark", Boolean(this.props.dark));
    const isOther = this.props.index !== old.index;
    if (isOther || !isSameImage(this.props.info, old.info)) this.open();
    else this.shell.showInfo(this.props.info);
  }

  destroy(): void {
    this.abort.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    this.pictures.close();
    this.shell.destroy();
  }

  /** Shows the image of the props; how heat and reference are shown stays as it was. */
  private open(): void {
    const { info, onStep } = this.props;
    (this.pictures as Pictures | undefined)?.close();
    this.pictures = new Pictures(this.props, () => this.changed());
    this.view = new ImageView(info.width, info.height);
    this.levels = startWindow(info);
    this.isGolden = false;
    this.controls = new Controls(info, this.actions, Boolean(onStep));
    this.shell.showInfo(info);
    this.shell.setControls(this.controls.element);
    this.pictures.open();
    this.arrange();
  }

  /** Puts one pane or two, and asks for what they show. */
  private arrange(): void {
    const { info } = this.props;
    const mode = info.hasReference ? this.reference : "off";
    this.image.setCaption(mode === "off" ? "" : this.isGolden ? "golden image" : "image");
    this.golden.setCaption("golden image");
    const panes = mode === "beside" ? [this.image, this.golden] : [this.image];
    this.shell.setPanes(panes.map((pane) => pane.element));
    if (mode !== "off") this.pictures.needReference(this.levels);
    if (this.heat && info.hasHeat) this.pictures.needHeat();
    this.resize();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.image.element;
    if (!clientWidth || !clientHeight) return;
    this.view.resize(clientWidth, clientHeight);
    this.image.resize(clientWidth, clientHeight);
    this.golden.resize(clientWidth, clientHeight);
    this.draw();
  }

  private changed(): void {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { info } = this.props;
    const { image, detail, reference, heat } = this.pictures.shown;
    const above = [image, detail].filter((one) => one !== undefined);
    const golden = reference ? [reference] : [];
    const scene: Scene = {
      pictures: this.isGolden ? golden : above,
      window: this.levels,
      heat: this.heat && !this.isGolden ? (heat ?? null) : null,
      heatShare: this.heatShare,
      box: info.box ?? null,
    };
    this.image.draw(this.view, scene);
    this.golden.draw(this.view, { ...scene, pictures: golden, heat: null });
    this.pictures.needDetail(this.view, this.image.pixelRatio, this.levels);
    const { umPerPixel } = info;
    this.shell.showScale(umPerPixel ? chooseScaleBar(umPerPixel / this.view.scale, MOST_BAR) : null);
    this.tell();
  }

  private tell(): void {
    const { image, reference } = this.pictures.shown;
    const waits = !image || image.isPreview ? "loading" : "";
    const golden = this.isGolden && !reference ? NO_REFERENCE : "";
    this.shell.say(this.pictures.error || waits || golden);
    const percent = 100 * this.view.scale * this.image.pixelRatio;
    this.controls.show({
      levels: this.levels,
      ...this.findRange(),
      heat: this.heat,
      heatShare: this.heatShare,
      reference: this.reference,
      zoomText: `${Number(percent.toPrecision(percent < 10 ? 2 : 3))} %`,
    });
  }

  /** The levels the sliders run over. */
  private findRange(): { range: LevelWindow; step: number } {
    const { info } = this.props;
    if (info.bits <= 8) return { range: [0, 255], step: 1 };
    const range: LevelWindow = [
      Math.min(info.lowest ?? info.low, info.low, this.levels[0]),
      Math.max(info.highest ?? info.high, info.high, this.levels[1]),
    ];
    const span = range[1] - range[0];
    return { range, step: info.bits <= 16 ? Math.max(1, Math.round(span / 1000)) : span / 1000 };
  }

  private setLevels(levels: LevelWindow): void {
    this.levels = levels;
    this.pictures.setWindow(levels);
    this.changed();
  }

  private async findLevels(): Promise<void> {
    const { pictures } = this;
    const found = await pictures.findWindow(this.findRange().range);
    // Another image may be shown by now.
    if (found && pictures === this.pictures) this.setLevels(found);
  }

  private readonly pointer = {
    pan: (dx: number, dy: number): void => {
      this.view.pan(dx, dy);
      this.changed();
    },
    zoom: (factor: number, x: number, y: number): void => {
      this.view.zoomAt(factor, x, y);
      this.changed();
    },
    toggle: (x: number, y: number): void => {
      if (this.view.isFitted) this.view.setScale(1 / this.image.pixelRatio, x, y);
      else this.view.fit();
      this.changed();
    },
  };

  private readonly actions: ControlActions = {
    step: (by) => this.props.onStep?.(by),
    zoom: (factor) =>
      this.pointer.zoom(factor, this.view.paneWidth / 2, this.view.paneHeight / 2),
    actualSize: () => {
      this.view.setScale(1 / this.image.pixelRatio);
      this.changed();
    },
    fit: () => {
      this.view.fit();
      this.changed();
    },
    setLevel: (end, value) => {
      const { range, step } = this.findRange();
      const wanted: LevelWindow =
        end === "low" ? [value, this.levels[1]] : [this.levels[0], value];
      this.setLevels(limitWindow(wanted, range, step, end));
    },
    findLevels: () => void this.findLevels(),
    resetLevels: () => this.setLevels(startWindow(this.props.info)),
    toggleHeat: () => {
      this.heat = !this.heat;
      this.arrange();
    },
    setHeatShare: (share) => {
      this.heatShare = share;
      this.heat = true;
      this.pictures.needHeat();
      this.changed();
    },
    setReference: (mode) => {
      this.reference = mode;
      this.isGolden = mode === "instead";
      this.arrange();
    },
  };

  private onKey(event: KeyboardEvent): void {
    const { info } = this.props;
    const isDone = answerKey(event, this.view, {
      ...this.actions,
      pan: (dx, dy) => this.pointer.pan(dx, dy),
      zoomIn: () => this.actions.zoom(ZOOM_STEP),
      zoomOut: () => this.actions.zoom(1 / ZOOM_STEP),
      heat: () => info.hasHeat && this.actions.toggleHeat(),
      blink: () => info.hasReference && this.blink(),
      beside: () =>
        info.hasReference &&
        this.actions.setReference(this.reference === "beside" ? "off" : "beside"),
    });
    if (!isDone) return;
    event.preventDefault();
    event.stopPropagation(); // the page has keys of its own
  }

  /** The image and its reference in the same place, one after the other. */
  private blink(): void {
    this.isGolden = this.reference !== "instead" || !this.isGolden;
    this.reference = "instead";
    this.arrange();
  }

  private locate(event: MouseEvent): [number, number] {
    const panes = [this.image, this.golden].map((pane) => pane.element.getBoundingClientRect());
    const box = panes.find((one) => event.clientX >= one.left && event.clientX <= one.right);
    const { left, top } = box ?? panes[0]!;
    return [event.clientX - left, event.clientY - top];
  }
}

/** Whether the pictures of one are those of the other. */
function isSameImage(a: ViewerInfo, b: ViewerInfo): boolean {
  return (["width", "height", "bits", "low", "high"] as const).every((name) => a[name] === b[name]);
}
