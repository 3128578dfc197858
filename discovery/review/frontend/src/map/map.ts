/** The map of all images: points that are panned, zoomed, pointed at and chosen by a lasso. */
import "./map.css";
import { answerKey, Frame, KEY_ZOOM, type KeyActions } from "./frame";
import { attachGestures, type Gestures } from "./gestures";
import { PointGrid } from "./grid";
import { Overlay } from "./overlay";
import { arrangePoints, type Points, stylePoints } from "./points";
import { simplifyPolygon } from "./polygon";
import type { MapProps, MountedMap, Polygon } from "./props";
import { changeRectangle, cornersOf, type Rectangle, startRectangle } from "./rectangle";
import { Stage } from "./stage";
import { Toolbar } from "./toolbar";
import { Camera, pointRadius } from "./view";

/** How far from a point, in pixels, the pointer may be. */
const REACH = 8;
const KEY_PAN = 0.12;
export function mountMap(element: HTMLElement, props: MapProps): MountedMap {
  const map = new MapComponent(element, props);
  return {
    update: (changed) => map.update(changed),
    destroy: () => map.destroy(),
  };
}

class MapComponent {
  private readonly frame: Frame;
  private readonly abort = new AbortController();
  private readonly camera = new Camera();
  private readonly overlay = new Overlay(this.camera);
  private readonly stage: Stage;
  private readonly tools: Toolbar;
  private readonly observer: ResizeObserver;
  private readonly gestures: Gestures;
  private grid!: PointGrid;
  private points!: Points;
  private hovered: number | null = null;
  private isLassoing = false;
  private rectangle: Rectangle | null = null;

  constructor(
    element: HTMLElement,
    private props: MapProps,
  ) {
    const { signal } = this.abort;
    this.stage = new Stage(this.camera, props.renderer ?? "auto", signal);
    this.tools = this.makeTools();
    const layers = [this.stage.element, this.overlay.element];
    this.frame = new Frame(element, layers, this.tools.element);
    this.frame.root.classList.toggle("map-dark", Boolean(props.dark));
    this.stage.onNotice = (text) => this.frame.showNotice(text, this.stage.kind);
    const { surface } = this.frame;
    this.gestures = attachGestures(surface, this.handlers, signal);
    surface.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(surface);
    this.load();
    if (props.view) this.camera.show(props.view);
    this.resize();
  }

  update(changed: Partial<MapProps>): void {
    const old = this.props;
    this.props = { ...old, ...changed };
    const differs = (...names: (keyof MapProps)[]): boolean =>
      names.some((name) => this.props[name] !== old[name]);
    if (differs("x", "y")) {
      this.load();
    } else if (differs("color", "palette", "selected")) {
      this.points = { ...this.points, ...stylePoints(this.points.order, this.props) };
      this.stage.setStyle(this.points);
    }
    if (differs("labels")) this.overlay.setLabels(this.props.labels ?? []);
    if (differs("dark")) this.frame.root.classList.toggle("map-dark", Boolean(this.props.dark));
  }

  fit(): void {
    if (this.grid.bounds) this.camera.fit(this.grid.bounds);
    this.moved();
  }

  destroy(): void {
    this.abort.abort();
    this.observer.disconnect();
    this.stage.destroy();
    this.frame.root.remove();
  }

  private makeTools(): Toolbar {
    const zoom = (factor: number) => () => this.zoomMiddle(factor);
    const tools = new Toolbar([
      {
        name: "Lasso",
        text: "Lasso",
        title: "Draw around images to select them (or drag with shift)",
        press: () => this.setLasso(!this.isLassoing),
      },
      {
        name: "Rectangle",
        text: "Rectangle",
        title: "Select by a rectangle that arrow keys move (space)",
        press: () => this.toggleRectangle(),
      },
      { name: "Zoom in", text: "+", title: "Zoom in (+)", press: zoom(KEY_ZOOM) },
      { name: "Zoom out", text: "\u2212", title: "Zoom out (-)", press: zoom(1 / KEY_ZOOM) },
      { name: "Fit", text: "Fit", title: "Show all (0)", press: () => this.fit() },
    ]);
    tools.setPressed("Lasso", false);
    return tools;
  }

  /** Takes over other points. */
  private load(): void {
    this.grid = new PointGrid(this.props.x, this.props.y);
    this.points = arrangePoints(this.props);
    this.hover(null, 0, 0);
    if (this.grid.bounds) this.camera.fit(this.grid.bounds);
    this.stage.setPoints(this.points);
    this.overlay.setLabels(this.props.labels ?? []);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.frame.surface;
    if (!clientWidth || !clientHeight) return;
    this.camera.resize(clientWidth, clientHeight);
    this.stage.resize();
    // Names that were set while the map was hidden have no size yet.
    this.overlay.measure();
    this.overlay.placeNames();
    if (this.rectangle) this.showRectangle(startRectangle(clientWidth, clientHeight));
  }

  private moved(): void {
    this.stage.move();
    this.overlay.placeNames();
    this.showRing();
    this.props.onView?.(this.camera.view);
  }

  private zoom(factor: number, x: number, y: number): void {
    this.camera.zoomAt(factor, x, y);
    this.moved();
  }

  private zoomMiddle(factor: number): void {
    this.zoom(factor, this.camera.width / 2, this.camera.height / 2);
  }

  private readonly handlers = {
    isLassoing: (): boolean => this.isLassoing,
    pan: (dx: number, dy: number): void => {
      this.camera.pan(dx, dy);
      this.moved();
    },
    zoom: (factor: number, x: number, y: number): void => this.zoom(factor, x, y),
    lasso: (corners: readonly [number, number][], isDone: boolean): void => {
      this.overlay.showOutline(isDone ? [] : corners);
      if (isDone) this.select(simplifyPolygon([...corners], 1));
    },
    hover: (x: number, y: number, event: PointerEvent): void =>
      this.hover(this.find(x, y), event.clientX, event.clientY),
    leave: (): void => this.hover(null, 0, 0),
    pick: (x: number, y: number): void => {
      const found = this.find(x, y);
      if (found !== null) this.props.onPick(found);
    },
  };

  private find(px: number, py: number): number | null {
    const within = REACH / this.camera.scale;
    return this.grid.nearest(...this.camera.toData(px, py), within);
  }

  private hover(index: number | null, clientX: number, clientY: number): void {
    if (index === null && this.hovered === null) return;
    this.hovered = index;
    this.showRing();
    this.frame.surface.classList.toggle("map-pointing", index !== null);
    this.props.onHover(index, clientX, clientY);
  }

  private showRing(): void {
    const { x, y } = this.props;
    const { width, height, zoom } = this.camera;
    const radius = pointRadius(this.points.order.length, width * height, zoom);
    const at = this.hovered;
    this.overlay.showRing(at === null ? null : [x[at]!, y[at]!], radius);
  }

  /** Selects what is inside a polygon of pixels. */
  private select(corners: readonly [number, number][]): void {
    if (corners.length < 3) return;
    const polygon: Polygon = corners.map((corner) => this.camera.toData(...corner));
    const chosen = this.grid.inside(polygon);
    this.setLasso(false);
    this.frame.say(`${chosen.length.toLocaleString("en")} images selected`);
    this.props.onLasso(polygon, chosen);
  }

  private setLasso(isOn: boolean): void {
    this.isLassoing = isOn;
    this.tools.setPressed("Lasso", isOn);
    this.frame.surface.classList.toggle("map-drawing", isOn);
    if (isOn) this.leaveRectangle();
  }

  private toggleRectangle(): void {
    if (this.rectangle) {
      this.leaveRectangle();
      return;
    }
    this.setLasso(false);
    this.frame.surface.focus();
    this.showRectangle(startRectangle(this.camera.width, this.camera.height));
  }

  private showRectangle(rectangle: Rectangle): void {
    this.rectangle = rectangle;
    const corners = cornersOf(rectangle);
    this.overlay.showOutline(corners);
    const inside = this.grid.inside(corners.map((corner) => this.camera.toData(...corner)));
    this.frame.say(`${inside.length.toLocaleString("en")} images in the rectangle`);
  }

  private leaveRectangle(): void {
    this.rectangle = null;
    this.overlay.showOutline([]);
  }

  private readonly keys: KeyActions = {
    pan: (right, down) =>
      this.handlers.pan(
        -right * KEY_PAN * this.camera.width,
        -down * KEY_PAN * this.camera.height,
      ),
    zoom: (factor) => this.zoomMiddle(factor),
    fit: () => this.fit(),
    toggleRectangle: () => this.toggleRectangle(),
    changeRectangle: (step, grows) =>
      this.showRectangle(changeRectangle(this.rectangle!, step, grows, this.camera)),
    takeRectangle: () => {
      const corners = cornersOf(this.rectangle!);
      this.leaveRectangle();
      this.select(corners);
    },
    leave: () => {
      const isDrawing = this.gestures.cancelLasso();
      if (!this.rectangle && !this.isLassoing && !isDrawing) return false;
      this.leaveRectangle();
      this.setLasso(false);
      return true;
    },
  };

  private onKey(event: KeyboardEvent): void {
    if (!answerKey(event, this.rectangle, this.keys)) return;
    event.preventDefault();
    event.stopPropagation(); // the page has keys of its own
  }
}
