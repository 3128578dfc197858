// How the map is moved: one pointer drags, two pinch, the wheel and the keys zoom.

const DRAG = 4; // pixels a pointer may tremble and still click

const followPointer = (canvas, view, on) => {
  const down = new Map(); // pointer id -> [x, y]
  let moved = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const spread = () => {
    const [a, b] = [...down.values()];
    return { gap: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1, middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    if (!down.size) moved = 0;
    down.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
  });

  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    const before = down.get(event.pointerId);
    if (!before) { on.point(...at); return; }
    const pinched = down.size === 2 ? spread() : null;
    down.set(event.pointerId, at);
    moved += Math.hypot(at[0] - before[0], at[1] - before[1]);
    if (moved <= DRAG) return;
    canvas.classList.add("dragging");
    on.forget();
    if (pinched) {
      const now = spread();
      view.zoom(now.gap / pinched.gap, ...now.middle);
      view.pan(now.middle[0] - pinched.middle[0], now.middle[1] - pinched.middle[1]);
    } else if (down.size === 1) view.pan(at[0] - before[0], at[1] - before[1]);
    on.redraw();
  });

  const lift = (event) => {
    const wasDown = down.delete(event.pointerId);
    canvas.classList.remove("dragging");
    if (wasDown && event.type === "pointerup" && moved <= DRAG && !down.size) on.click(...place(event));
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") on.forget(); });

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 30;
    view.zoom(Math.exp(-Math.max(Math.min(event.deltaY * lines, 240), -240) / 320), ...place(event));
    on.redraw();
  }, { passive: false });
};

const followKeys = (canvas, view, on) => {
  const step = 60;
  const walk = (by) => {
    const count = data.clusters.length;
    if (!count) return;
    const chosen = on.selection.get();
    const start = chosen === null || chosen === NOISE ? (by > 0 ? -1 : 0) : chosen;
    on.selection.choose((start + by + count) % count, "keys");
  };
  const actions = {
    ArrowLeft: () => view.pan(step, 0),
    ArrowRight: () => view.pan(-step, 0),
    ArrowUp: () => view.pan(0, step),
    ArrowDown: () => view.pan(0, -step),
    "+": () => view.zoom(1.4),
    "=": () => view.zoom(1.4),
    "-": () => view.zoom(1 / 1.4),
    0: view.reset,
    ",": () => walk(-1),
    ".": () => walk(1),
    Escape: () => on.selection.choose(null, "map"),
  };
  canvas.addEventListener("keydown", (event) => {
    const act = actions[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
    on.forget();
    on.redraw();
  });
};
