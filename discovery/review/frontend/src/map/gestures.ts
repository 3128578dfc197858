/** Mouse, pen, fingers and wheel over the map: what they ask for, not what is done about it. */

export interface GestureHandlers {
  /** Whether a drag without shift draws a lasso. */
  isLassoing(): boolean;
  pan(dx: number, dy: number): void;
  zoom(factor: number, x: number, y: number): void;
  lasso(corners: readonly [number, number][], isDone: boolean): void;
  hover(x: number, y: number, event: PointerEvent): void;
  leave(): void;
  pick(x: number, y: number): void;
}

/** A pointer that moved less has clicked. */
const CLICK_PIXELS = 4;
/** Corners of a lasso that are nearer to each other say nothing. */
const CORNER_PIXELS = 2;
const DOUBLE_CLICK_ZOOM = 2;

/** A wheel's step as a factor; a pinch on a trackpad comes as small steps with ctrl. */
export function wheelFactor(event: WheelEvent): number {
  const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
  const step = Math.max(-200, Math.min(200, event.deltaY * unit));
  return Math.exp(-step * (event.ctrlKey ? 0.01 : 0.002));
}

export interface Gestures {
  /** Gives up a lasso that is being drawn; false where there is none. */
  cancelLasso(): boolean;
}

/** Every step of a movement: while a frame takes long the browser hands over the last one alone. */
function listSteps(event: PointerEvent): PointerEvent[] {
  const steps = event.getCoalescedEvents?.() ?? [];
  return steps.length > 0 ? steps : [event];
}

function addCorner(lasso: [number, number][], at: [number, number]): void {
  const last = lasso[lasso.length - 1]!;
  if (Math.hypot(at[0] - last[0], at[1] - last[1]) >= CORNER_PIXELS) lasso.push(at);
}

export function attachGestures(
  surface: HTMLElement,
  handlers: GestureHandlers,
  signal: AbortSignal,
): Gestures {
  const pointers = new Map<number, [number, number]>();
  let lasso: [number, number][] | null = null;
  let travelled = 0;

  const locate = (event: MouseEvent): [number, number] => {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    surface.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, locate(event));
    travelled = pointers.size > 1 ? Infinity : 0;
    const starts = pointers.size === 1 && (event.shiftKey || handlers.isLassoing());
    lasso = starts ? [locate(event)] : null;
    if (pointers.size > 1) handlers.lasso([], false);
    handlers.leave();
  };

  const move = (event: PointerEvent): void => {
    const at = locate(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      handlers.hover(at[0], at[1], event);
      return;
    }
    const dx = at[0] - before[0];
    const dy = at[1] - before[1];
    travelled += Math.hypot(dx, dy);
    if (lasso) {
      for (const one of listSteps(event)) addCorner(lasso, locate(one));
      handlers.lasso(lasso, false);
    } else if (pointers.size === 1) {
      if (travelled >= CLICK_PIXELS) handlers.pan(dx, dy);
    } else {
      pinch(event.pointerId, before, at);
    }
    pointers.set(event.pointerId, at);
  };

  /** Two fingers: what lay between them stays between them. */
  const pinch = (id: number, before: [number, number], at: [number, number]): void => {
    const other = [...pointers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
    const is = Math.hypot(at[0] - other[0], at[1] - other[1]);
    handlers.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    if (was > 0) handlers.zoom(is / was, (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
  };

  const up = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId)) return;
    const drawn = lasso;
    lasso = null;
    if (event.type === "pointercancel") {
      handlers.lasso([], false);
    } else if (drawn && travelled >= CLICK_PIXELS) {
      handlers.lasso(drawn, true);
    } else if (travelled < CLICK_PIXELS) {
      handlers.lasso([], false);
      handlers.pick(...locate(event));
    }
  };

  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    handlers.zoom(wheelFactor(event), ...locate(event));
  };

  surface.addEventListener("pointerdown", down, { signal });
  surface.addEventListener("pointermove", move, { signal });
  surface.addEventListener("pointerup", up, { signal });
  surface.addEventListener("pointercancel", up, { signal });
  surface.addEventListener("pointerleave", () => handlers.leave(), { signal });
  surface.addEventListener("wheel", wheel, { signal, passive: false });
  surface.addEventListener(
    "dblclick",
    (event) => handlers.zoom(DOUBLE_CLICK_ZOOM, ...locate(event)),
    { signal },
  );
  return {
    cancelLasso(): boolean {
      const wasDrawing = lasso !== null;
      // Letting go of the button is no click then.
      if (wasDrawing) travelled = Infinity;
      lasso = null;
      handlers.lasso([], false);
      return wasDrawing;
    },
  };
}
