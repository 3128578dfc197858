// What part of the unit square the map shows, and which image lies under the pointer.

const createView = () => {
  const view = { width: 1, height: 1, x: 0.5, y: 0.5, scale: 1, fit: 1 };
  const limit = (value, low, high) => Math.min(Math.max(value, low), high);

  const settle = () => {
    view.scale = limit(view.scale, view.fit * 0.5, view.fit * 400);
    view.x = limit(view.x, 0, 1);
    view.y = limit(view.y, 0, 1);
  };

  // The size of the points' own box, so that a long map fills a long panel.
  const box = { low: [1, 1], high: [0, 0] };
  for (let i = 0; i < data.xy.length; i += 1) {
    box.low[i % 2] = Math.min(box.low[i % 2], data.xy[i]);
    box.high[i % 2] = Math.max(box.high[i % 2], data.xy[i]);
  }
  const span = box.low.map((low, axis) => Math.max(box.high[axis] - low, 1e-6));

  return Object.assign(view, {
    resize(width, height) {
      const zoom = view.scale / view.fit;
      view.width = width;
      view.height = height;
      view.fit = Math.min((width - 56) / span[0], (height - 56) / span[1], 4 * Math.max(width, height));
      view.scale = view.fit * zoom;
      settle();
    },
    reset() {
      Object.assign(view, { x: 0.5, y: 0.5, scale: view.fit });
    },
    pan(dx, dy) {
      view.x -= dx / view.scale;
      view.y -= dy / view.scale;
      settle();
    },
    // Zoom so that the place under (px, py) stays where it is.
    zoom(factor, px = view.width / 2, py = view.height / 2) {
      const before = view.toPlace(px, py);
      view.scale *= factor;
      settle();
      const after = view.toPlace(px, py);
      view.x += before[0] - after[0];
      view.y += before[1] - after[1];
      settle();
    },
    toPlace: (px, py) => [
      view.x + (px - view.width / 2) / view.scale,
      view.y + (py - view.height / 2) / view.scale,
    ],
    toScreen: (x, y) => [
      (x - view.x) * view.scale + view.width / 2,
      (y - view.y) * view.scale + view.height / 2,
    ],
  });
};

// Positions sorted by key (0 .. keyCount - 1) and where each key starts: a counting sort.
const sortByKey = (keys, keyCount) => {
  const starts = new Uint32Array(keyCount + 1);
  for (const key of keys) starts[key + 1] += 1;
  for (let key = 0; key < keyCount; key += 1) starts[key + 1] += starts[key];
  const order = new Uint32Array(keys.length);
  const next = starts.slice();
  keys.forEach((key, i) => { order[next[key]] = i; next[key] += 1; });
  return { starts, order };
};

// A grid over the unit square: the nearest image is looked for in a few cells, not in all images.
const createGrid = () => {
  const side = Math.max(1, Math.min(256, Math.ceil(Math.sqrt(imageCount / 2))));
  const cellOf = (value) => Math.min(Math.max(Math.floor(value * side), 0), side - 1);
  const keys = new Uint32Array(imageCount);
  for (let i = 0; i < imageCount; i += 1) {
    keys[i] = cellOf(data.xy[2 * i + 1]) * side + cellOf(data.xy[2 * i]);
  }
  const { starts, order } = sortByKey(keys, side * side);

  return {
    // The image nearest to (x, y) within `reach`, or -1; `allowed` may rule images out.
    nearest(x, y, reach, allowed) {
      let best = -1;
      let least = reach * reach;
      for (let row = cellOf(y - reach); row <= cellOf(y + reach); row += 1) {
        const first = row * side + cellOf(x - reach);
        const last = row * side + cellOf(x + reach);
        for (let at = starts[first]; at < starts[last + 1]; at += 1) {
          const i = order[at];
          const distance = (data.xy[2 * i] - x) ** 2 + (data.xy[2 * i + 1] - y) ** 2;
          if (distance <= least && allowed(i)) [best, least] = [i, distance];
        }
      }
      return best;
    },
  };
};
