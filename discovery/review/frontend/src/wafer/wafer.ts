/** A small wafer map: the places of a proposal before all others. */
import "./wafer.css";
import { findPitch } from "./pitch";

export interface WaferProps {
  /** From the middle of the wafer; y points up. */
  x: ArrayLike<number>;
  y: ArrayLike<number>;
  /** Not 0 for places of the proposal. */
  inside: ArrayLike<number | boolean>;
  /** In the units of x and y; the farthest place is taken where it is not known. */
  diameter?: number;
  dark?: boolean;
}

export interface MountedWafer {
  update(props: Partial<WaferProps>): void;
  destroy(): void;
}

const MARGIN = 4;
/** The notch, at the bottom. */
const NOTCH = 0.035;
/** So many places are drawn solid; more of them let others through. */
const SOLID = 3000;
const LEAST_ALPHA = 0.12;

export function mountWafer(element: HTMLElement, props: WaferProps): MountedWafer {
  const wafer = new WaferMap(element, props);
  return { update: (changed) => wafer.update(changed), destroy: () => wafer.destroy() };
}

class WaferMap {
  private readonly canvas = document.createElement("canvas");
  private readonly observer = new ResizeObserver(() => this.draw());

  constructor(
    element: HTMLElement,
    private props: WaferProps,
  ) {
    this.canvas.className = "wafer-map";
    this.canvas.setAttribute("role", "img");
    element.append(this.canvas);
    this.observer.observe(this.canvas);
    this.update({});
  }

  update(changed: Partial<WaferProps>): void {
    this.props = { ...this.props, ...changed };
    const { inside } = this.props;
    const count = Array.from(inside).filter(Boolean).length;
    const others = inside.length - count;
    this.canvas.classList.toggle("wafer-dark", Boolean(this.props.dark));
    this.canvas.setAttribute(
      "aria-label",
      `Wafer map: ${count.toLocaleString("en")} places of this proposal, ` +
        `${others.toLocaleString("en")} others`,
    );
    this.draw();
  }

  destroy(): void {
    this.observer.disconnect();
    this.canvas.remove();
  }

  private draw(): void {
    const side = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
    const context = this.canvas.getContext("2d");
    if (!side || !context) return;
    const ratio = window.devicePixelRatio || 1;
    // Writing a size empties the canvas, even the same size.
    this.canvas.width = this.canvas.height = Math.round(side * ratio);
    context.setTransform(ratio, 0, 0, ratio, (side * ratio) / 2, (side * ratio) / 2);
    const { x, y, inside } = this.props;
    const pitch = [findPitch(x), findPitch(y)] as const;
    const radius = this.findRadius(pitch);
    const scale = (side / 2 - MARGIN) / radius;
    const style = getComputedStyle(this.canvas);
    for (const which of [false, true]) {
      // Of very many places one sees where they are dense.
      context.globalAlpha = Math.max(LEAST_ALPHA, Math.min(1, SOLID / x.length));
      context.fillStyle = style.getPropertyValue(which ? "--wafer-inside" : "--wafer-outside");
      for (let i = 0; i < x.length; i++) {
        if (Boolean(inside[i]) !== which) continue;
        drawPlace(context, x[i]! * scale, -y[i]! * scale, pitch, scale, which);
      }
    }
    context.globalAlpha = 1;
    this.drawEdge(context, side / 2 - MARGIN, style.getPropertyValue("--wafer-edge"));
  }

  private drawEdge(context: CanvasRenderingContext2D, radius: number, color: string): void {
    const half = Math.PI / 2;
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(0, 0, radius, half + NOTCH, half - NOTCH);
    context.lineTo(0, radius * (1 - NOTCH));
    context.closePath();
    context.stroke();
  }

  private findRadius([across, up]: readonly [number | null, number | null]): number {
    const { x, y, diameter } = this.props;
    if (diameter) return diameter / 2;
    let farthest = 0;
    for (let i = 0; i < x.length; i++) {
      // The corner of a die lies farther out than its middle.
      const reach = Math.hypot(
        Math.abs(x[i]!) + (across ?? 0) / 2,
        Math.abs(y[i]!) + (up ?? 0) / 2,
      );
      if (reach > farthest) farthest = reach;
    }
    return farthest || 1;
  }
}

/** A die where places lie on a lattice, a small square else: circles take ten times as long. */
function drawPlace(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  [across, up]: readonly [number | null, number | null],
  scale: number,
  isInside: boolean,
): void {
  if (across && up && Math.min(across, up) * scale >= 2) {
    const gap = Math.min(across, up) * scale > 5 ? 1 : 0.25;
    const width = across * scale - gap;
    const height = up * scale - gap;
    context.fillRect(x - width / 2, y - height / 2, width, height);
    return;
  }
  const size = isInside ? 3.6 : 2.2;
  context.fillRect(x - size / 2, y - size / 2, size, size);
}
