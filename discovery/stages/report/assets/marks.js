// The marks of the map, drawn once a size and colour and then stamped: fifty thousand a frame.

// `paper` reads the light colours, for printing from a dark screen.
const readColours = (paper) => {
  const probe = document.createElement("div");
  if (paper) probe.className = "paper";
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const read = (name) => style.getPropertyValue(name).trim();
  const colours = {
    clusters: data.clusters.map((cluster) => read(`--c${cluster.colour}`)),
    noise: read("--noise"),
    dim: read("--dim"),
    panel: read("--panel"),
    text: read("--text"),
    accent: read("--accent"),
  };
  probe.remove();
  return colours;
};

// The outlines of figures.py have radius 5 within a box of 12.
const stampMark = (outline, radius, ratio, paint) => {
  const side = Math.ceil((radius * 12 / 5 + 2) * ratio);
  const canvas = document.createElement("canvas");
  canvas.width = side;
  canvas.height = side;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.translate(side / 2, side / 2);
  pen.scale(radius * ratio / 5, radius * ratio / 5);
  paint(pen, new Path2D(outline));
  return canvas;
};

const fillWith = (colour, edge) => (pen, path) => {
  pen.fillStyle = colour;
  pen.fill(path);
  if (!edge) return;
  pen.strokeStyle = edge;
  pen.lineWidth = 1;
  pen.stroke(path);
};

const hollowWith = (colour) => (pen, path) => {
  pen.scale(0.82, 0.82);
  pen.strokeStyle = colour;
  pen.lineWidth = 2.2;
  pen.stroke(path);
};

// One stamp a cluster, and one each for the noise and for what is not chosen.
const createStamps = (colours, radius, ratio) => {
  const cache = new Map();
  const stamp = (key, outline, paint) => {
    if (!cache.has(key)) cache.set(key, stampMark(outline, radius, ratio, paint));
    return cache.get(key);
  };
  const edge = radius > 2.4 ? colours.panel : null; // a fine edge keeps neighbours apart
  return {
    of: (label) => {
      const cluster = data.clusters[label];
      if (!cluster) return stamp("noise", data.shapes[0], hollowWith(colours.noise));
      const key = `${cluster.colour},${cluster.shape}`;
      return stamp(key, data.shapes[cluster.shape], fillWith(colours.clusters[label], edge));
    },
    dim: (label) => {
      const shape = data.clusters[label]?.shape ?? 0;
      return stamp(`dim,${shape}`, data.shapes[shape], fillWith(colours.dim, null));
    },
  };
};
