// The names on the map: each beside its group where it is free, none over another, none cut off.

const NAME_STEPS = [0, 16, 28, 42, 60]; // pixels from the middle of the group
const NAME_TURNS = [1.5, 0, 0.5, 1, 0.25, 0.75, 1.25, 1.75]; // of pi

// A tight group is named beside it: its name would hide the few pixels that it is.
const NAME_HIDES = 12; // pixels

const listPlaces = (x, y, spread) => NAME_STEPS.slice(spread < NAME_HIDES ? 1 : 0).flatMap((step) => (
  step ? NAME_TURNS.map((turn) => [x + 1.6 * step * Math.cos(turn * Math.PI), y + step * Math.sin(turn * Math.PI)])
    : [[x, y]]
));

const writeName = (cluster) => {
  const short = cluster.name.replace(/^Type /, "");
  return cluster.label ? `${short} ${cluster.label.split("/").pop().slice(0, 24)}` : short;
};

// Names in the order given, as many as find room: [{text, x, y, fromX, fromY}].
const placeNames = (pen, view, labels) => {
  const placed = [];
  for (const label of labels) {
    const cluster = data.clusters[label];
    const [x, y] = view.toScreen(cluster.x, cluster.y);
    if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
    const text = writeName(cluster);
    const half = pen.measureText(text).width / 2 + 4;
    const inside = ([px, py]) => [
      Math.min(Math.max(px, half), view.width - half), Math.min(Math.max(py, 10), view.height - 10),
    ];
    const isFree = ([px, py]) => placed.every(
      (other) => Math.abs(px - other.x) > half + other.half || Math.abs(py - other.y) > 15,
    );
    const place = listPlaces(x, y, cluster.spread * view.scale).map(inside).find(isFree);
    if (place) placed.push({ text, half, x: place[0], y: place[1], fromX: x, fromY: y });
  }
  return placed;
};

const drawNames = (pen, view, { labels, colours }) => {
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  const placed = placeNames(pen, view, labels);
  pen.strokeStyle = colours.text;
  pen.lineWidth = 0.8;
  for (const { x, y, fromX, fromY } of placed) {
    if (Math.hypot(x - fromX, y - fromY) < 24) continue;
    pen.beginPath(); // a line leads from a name that stands apart to its group
    pen.moveTo(fromX, fromY);
    pen.lineTo(x, y);
    pen.stroke();
  }
  for (const { text, x, y } of placed) {
    pen.strokeStyle = colours.panel;
    pen.lineWidth = 4;
    pen.strokeText(text, x, y);
    pen.fillStyle = colours.text;
    pen.fillText(text, x, y);
  }
};
