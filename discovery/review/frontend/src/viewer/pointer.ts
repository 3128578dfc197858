/** Mouse, pen, fingers and wheel over the image. */
import { wheelFactor } from "../map/gestures";

export interface PointerActions {
  pan(dx: number, dy: number): void;
  zoom(factor: number, x: number, y: number): void;
  /** Fits, or shows at one to one where it is fitted. */
  toggle(x: number, y: number): void;
}

/** @param locate the place of an event within its pane */
export function attachPointer(
  surface: HTMLElement,
  locate: (event: MouseEvent) => [number, number],
  actions: PointerActions,
  signal: AbortSignal,
): void {
  const pointers = new Map<number, [number, number]>();
  const at = (event: PointerEvent): [number, number] => [event.clientX, event.clientY];

  const move = (event: PointerEvent): void => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    const share = other ? 0.5 : 1;
    actions.pan((now[0] - before[0]) * share, (now[1] - before[1]) * share);
    if (other) {
      const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
      const is = Math.hypot(now[0] - other[0], now[1] - other[1]);
      if (was > 0) actions.zoom(is / was, ...locate(event));
    }
    pointers.set(event.pointerId, now);
  };
  const up = (event: PointerEvent): void => void pointers.delete(event.pointerId);

  surface.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      surface.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
    },
    { signal },
  );
  surface.addEventListener("pointermove", move, { signal });
  surface.addEventListener("pointerup", up, { signal });
  surface.addEventListener("pointercancel", up, { signal });
  surface.addEventListener("dblclick", (event) => actions.toggle(...locate(event)), { signal });
  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      actions.zoom(wheelFactor(event), ...locate(event));
    },
    { signal, passive: false },
  );
}
