// The map: draws at most once a frame, moves by pointer, wheel and keys, shows what it points at.

const createMap = (selection, openImage) => {
  const canvas = document.getElementById("map-canvas");
  const tip = document.getElementById("tip");
  const pen = canvas.getContext("2d");
  const view = createView();
  const grid = createGrid();
  const painter = createPainter(canvas);
  // Noise first and small clusters last, so that the small ones lie on top.
  const keys = Uint32Array.from(data.labels, (label) => label + 1);
  const groups = sortByKey(keys, data.clusters.length + 1);
  let colours = readColours(false);
  let stamps = null;
  let stampsFor = "";
  let hovered = -1;
  let asked = 0;

  const redraw = () => { asked ||= requestAnimationFrame(draw); };

  const radius = () => {
    const base = Math.min(Math.max(6.4 - Math.log10(Math.max(imageCount, 1)), 1.7), 5);
    return base * Math.min(Math.max((view.scale / view.fit) ** 0.35, 0.8), 3);
  };

  const prepareStamps = () => {
    const ratio = window.devicePixelRatio || 1;
    const size = Math.round(radius() * 4) / 4;
    const wanted = `${size},${ratio}`;
    if (wanted !== stampsFor) stamps = createStamps(colours, size, ratio);
    stampsFor = wanted;
    return ratio;
  };

  const drawGroup = (label, stamp, ratio) => {
    const half = stamp.width / 2;
    const { starts, order } = groups;
    const scale = view.scale * ratio;
    const left = view.width * ratio / 2 - view.x * scale;
    const top = view.height * ratio / 2 - view.y * scale;
    for (let at = starts[label + 1]; at < starts[label + 2]; at += 1) {
      const x = data.xy[2 * order[at]] * scale + left;
      const y = data.xy[2 * order[at] + 1] * scale + top;
      if (x > -half && y > -half && x < canvas.width + half && y < canvas.height + half) {
        painter.stamp(stamp, x, y);
      }
    }
  };

  // The chosen one is named whatever is near; else the largest groups find room first.
  const listNamed = () => {
    const chosen = selection.get();
    if (chosen !== null) return chosen === NOISE ? [] : [chosen];
    return data.clusters.map((_, label) => label).sort((p, q) => data.clusters[q].size - data.clusters[p].size);
  };

  const drawHovered = () => {
    if (hovered < 0) return;
    const [x, y] = view.toScreen(data.xy[2 * hovered], data.xy[2 * hovered + 1]);
    pen.strokeStyle = colours.text;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(x, y, radius() + 4, 0, 2 * Math.PI);
    pen.stroke();
  };

  const draw = () => {
    asked = 0;
    const ratio = prepareStamps();
    const chosen = selection.get();
    painter.begin();
    for (let label = NOISE; label < data.clusters.length; label += 1) {
      if (chosen === null) drawGroup(label, stamps.of(label), ratio);
      else if (label !== chosen) drawGroup(label, stamps.dim(label), ratio);
    }
    if (chosen !== null) drawGroup(chosen, stamps.of(chosen), ratio);
    painter.end();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawNames(pen, view, { labels: listNamed(), colours });
    drawHovered();
    canvas.dataset.zoom = (view.scale / view.fit).toFixed(3);
  };

  const resize = () => {
    const { width, height } = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(Math.round(width * ratio), 1);
    canvas.height = Math.max(Math.round(height * ratio), 1);
    view.resize(width, height);
    draw(); // at once: a resized canvas is blank until it is drawn
  };

  const find = (px, py) => {
    const chosen = selection.get();
    const reach = (radius() + 8) / view.scale;
    const [x, y] = view.toPlace(px, py);
    const among = (i) => chosen === null || data.labels[i] === chosen;
    const near = grid.nearest(x, y, reach, among);
    return near >= 0 ? near : grid.nearest(x, y, reach, () => true);
  };

  const hover = (i, px, py) => {
    if (i !== hovered) redraw();
    canvas.classList.toggle("pointing", i >= 0);
    if (i >= 0) showTip(tip, i, i !== hovered);
    hovered = i;
    tip.hidden = i < 0;
    if (i < 0) return;
    const left = px + 18 + tip.offsetWidth > view.width ? px - 18 - tip.offsetWidth : px + 18;
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${Math.min(Math.max(py - tip.offsetHeight / 2, 4), view.height - tip.offsetHeight - 4)}px`;
  };

  const click = (px, py) => {
    const i = find(px, py);
    if (i < 0) selection.choose(null, "map");
    else if (data.labels[i] === selection.get()) openImage(i, [i]);
    else selection.choose(data.labels[i], "map");
    hover(i, px, py);
  };

  const forget = () => hover(-1, 0, 0);
  followPointer(canvas, view, { redraw, click, forget, point: (px, py) => hover(find(px, py), px, py) });
  followKeys(canvas, view, { redraw, forget, selection });
  for (const [name, act] of [
    ["zoom-in", () => view.zoom(1.6)], ["zoom-out", () => view.zoom(1 / 1.6)], ["zoom-reset", view.reset],
  ]) {
    document.getElementById(name).addEventListener("click", () => { act(); forget(); redraw(); });
  }

  const recolour = (paper) => {
    colours = readColours(paper);
    stampsFor = "";
    draw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolour(false));
  window.addEventListener("beforeprint", () => recolour(true));
  window.addEventListener("afterprint", () => recolour(false));
  selection.onChange(redraw);
  new ResizeObserver(resize).observe(canvas);
  resize();
};

const showTip = (tip, i, isNew) => {
  if (!isNew) return;
  const { name, detail } = describeImage(i);
  const image = document.createElement("img");
  image.alt = "";
  const holder = document.createElement("div");
  holder.className = "tip-picture";
  holder.append(image);
  const lines = [["b", name], ["span", detail], ["bdi", shortPathOf(i)]].map(([tag, text]) => {
    const line = document.createElement(tag);
    line.textContent = text;
    return line;
  });
  const text = document.createElement("div");
  text.append(...lines);
  tip.replaceChildren(holder, text);
  showPicture(image, i);
};
