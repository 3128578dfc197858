// The data block of the page, decoded once. Typed arrays are little-endian, as on every browser.

const decodeBytes = (text) => {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
};

const readData = () => {
  const raw = JSON.parse(document.getElementById("report-data").textContent);
  return {
    ...raw,
    xy: new Float32Array(decodeBytes(raw.xy)), // (n, 2), x and y in turn, in the unit square
    labels: new Int32Array(decodeBytes(raw.labels)),
    memberships: new Float32Array(decodeBytes(raw.memberships)),
    outliers: new Float32Array(decodeBytes(raw.outliers)),
    decided: new Int32Array(decodeBytes(raw.decided)), // places in `types`, -1 for no label
  };
};

const NOISE = -1;
const data = readData();
const imageCount = data.labels.length;

const pathsOf = (i) => [].concat(data.paths[i]).map((path) => data.root + path);

// What a reader needs to tell images apart: the path below the folder that all share.
const shortPathOf = (i) => [].concat(data.paths[i])[0];

const nameOf = (label) => {
  const cluster = data.clusters[label];
  if (!cluster) return "Rare (noise)";
  return cluster.label ? `${cluster.name} · ${cluster.label}` : cluster.name;
};

// The label that an image bears, from its proposal or by itself.
const decidedOf = (i) => data.types[data.decided[i]] ?? "";

const describeImage = (i) => ({
  name: nameOf(data.labels[i]),
  detail: data.labels[i] === NOISE
    ? `outlier score ${data.outliers[i].toFixed(2)}`
    : `membership ${data.memberships[i].toFixed(2)}`,
});
