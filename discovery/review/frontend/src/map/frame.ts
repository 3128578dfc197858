/** The elements around the map: the surface that takes keys and pointers, and what is said. */
import type { Rectangle } from "./rectangle";

export const KEY_ZOOM = 1.5;

const LABEL =
  "Map of all images. Arrow keys move it, plus and minus zoom, 0 shows all. " +
  "Space begins a rectangle: arrow keys move it, with shift they change its size, " +
  "Enter selects what is inside, Escape leaves it.";

export class Frame {
  readonly root = document.createElement("div");
  readonly surface = document.createElement("div");
  private readonly notice = document.createElement("div");
  private readonly spoken = document.createElement("div");

  constructor(element: HTMLElement, layers: readonly HTMLElement[], tools: HTMLElement) {
    this.root.className = "map";
    this.surface.className = "map-surface";
    this.surface.tabIndex = 0;
    this.surface.setAttribute("role", "application");
    this.surface.setAttribute("aria-label", LABEL);
    this.notice.className = "map-notice map-hidden";
    this.spoken.className = "map-spoken";
    this.spoken.setAttribute("role", "status");
    this.surface.append(...layers);
    this.root.append(this.surface, tools, this.notice, this.spoken);
    element.append(this.root);
  }

  /** Shows how the points are drawn, where that is not as it should be. */
  showNotice(text: string, renderer: string): void {
    this.root.dataset["renderer"] = renderer;
    if (this.notice.textContent === text) return;
    this.notice.textContent = text;
    this.notice.classList.toggle("map-hidden", !text);
  }

  /** Tells a screen reader. */
  say(text: string): void {
    this.spoken.textContent = text;
  }
}

export interface KeyActions {
  pan(right: number, down: number): void;
  zoom(factor: number): void;
  fit(): void;
  toggleRectangle(): void;
  changeRectangle(step: [number, number], grows: boolean): void;
  takeRectangle(): void;
  /** Leaves a lasso or a rectangle; false where there is none. */
  leave(): boolean;
}

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Does what a key asks for; false where it asks for nothing here. */
export function answerKey(
  event: KeyboardEvent,
  rectangle: Rectangle | null,
  actions: KeyActions,
): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const arrow = ARROWS[event.key];
  if (arrow && rectangle) actions.changeRectangle(arrow, event.shiftKey);
  else if (arrow) actions.pan(...arrow);
  else if (event.key === "Enter" && rectangle) actions.takeRectangle();
  else if (event.key === "+" || event.key === "=") actions.zoom(KEY_ZOOM);
  else if (event.key === "-") actions.zoom(1 / KEY_ZOOM);
  else if (event.key === "0") actions.fit();
  else if (event.key === " ") actions.toggleRectangle();
  else if (event.key === "Escape") return actions.leave();
  else return false;
  return true;
}
