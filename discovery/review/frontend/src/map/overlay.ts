/** What lies over the points: the lasso, the rectangle, the ring around a point, the names. */
import { placeLabels } from "./labels";
import type { MapLabel } from "./props";
import type { Camera } from "./view";

const SVG = "http://www.w3.org/2000/svg";

function svg<K extends keyof SVGElementTagNameMap>(name: K, kind: string): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, name);
  element.setAttribute("class", kind);
  return element;
}

export class Overlay {
  readonly element = document.createElement("div");
  private readonly shapes = svg("svg", "map-shapes");
  private readonly outline = svg("polygon", "map-lasso");
  private readonly ring = svg("circle", "map-ring");
  private readonly names = document.createElement("div");
  private labels: { label: MapLabel; element: HTMLElement; width: number; height: number }[] = [];
  private places = new Map<number, number>();

  constructor(private readonly camera: Camera) {
    this.element.className = "map-overlay";
    this.names.className = "map-labels";
    this.shapes.setAttribute("aria-hidden", "true");
    this.shapes.append(this.outline, this.ring);
    this.element.append(this.shapes, this.names);
    this.showRing(null);
  }

  /** Outlines corners given in pixels; none takes the outline away. */
  showOutline(corners: readonly [number, number][]): void {
    this.outline.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  }

  /** Rings a place given in data. */
  showRing(at: [number, number] | null, radius = 0): void {
    this.ring.classList.toggle("map-hidden", !at);
    if (!at) return;
    const [px, py] = this.camera.toPixel(...at);
    this.ring.setAttribute("cx", String(px));
    this.ring.setAttribute("cy", String(py));
    this.ring.setAttribute("r", String(radius + 3));
  }

  setLabels(labels: readonly MapLabel[]): void {
    this.places.clear();
    this.labels = labels.map((label) => {
      const element = document.createElement("span");
      element.className = "map-label";
      element.textContent = label.text;
      return { label, element, width: 0, height: 0 };
    });
    this.names.replaceChildren(...this.labels.map(({ element }) => element));
    this.measure();
    this.placeNames();
  }

  /** Looks again how large the names are: nothing has a size while the map is hidden. */
  measure(): void {
    for (const one of this.labels) {
      one.width = one.element.offsetWidth;
      one.height = one.element.offsetHeight;
    }
  }

  placeNames(): void {
    const boxes = this.labels.map(({ label, width, height }) => {
      const [x, y] = this.camera.toPixel(label.x, label.y);
      return { x, y, width, height };
    });
    const { width, height } = this.camera;
    const placed = placeLabels(boxes, width, height, this.places);
    this.places = new Map(placed.map(({ index, place }) => [index, place]));
    const shown = new Set(this.places.keys());
    this.labels.forEach(({ element }, i) => element.classList.toggle("map-out", !shown.has(i)));
    for (const { index, left, top } of placed) {
      const at = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
      this.labels[index]!.element.style.transform = at;
    }
  }
}
