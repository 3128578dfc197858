/** Small drawings of numbers. */

const SIZE = 200;
const MARGIN = 8;
const BINS = 16;

/** Positions on the wafer: those of the proposal in colour before all others. */
export function WaferMap({ x, y, inside }: { x: number[]; y: number[]; inside: number[] }) {
  const reach = Math.max(1e-9, ...x.map(Math.abs), ...y.map(Math.abs));
  const scale = (SIZE / 2 - MARGIN) / reach;
  const chosen = inside.filter((one) => one).length;
  const point = (at: number) => (
    <circle
      key={at}
      class={inside[at] ? "inside" : "outside"}
      cx={SIZE / 2 + (x[at] ?? 0) * scale}
      cy={SIZE / 2 - (y[at] ?? 0) * scale}
      r={inside[at] ? 2.5 : 1.5}
    />
  );
  const order = [...x.keys()].sort((a, b) => (inside[a] ?? 0) - (inside[b] ?? 0));
  return (
    <svg
      class="wafer"
      viewBox={`0 0 ${SIZE} ${SIZE}`}
      role="img"
      aria-label={`Wafer map: ${chosen} of ${x.length} positions are of this proposal`}
    >
      <circle class="edge" cx={SIZE / 2} cy={SIZE / 2} r={SIZE / 2 - MARGIN / 2} />
      {order.map(point)}
    </svg>
  );
}

export function countBins(values: readonly number[], bins: number): number[] {
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.floor(((value - low) / span) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

export function Histogram({ values, label }: { values: number[]; label: string }) {
  const counts = countBins(values, BINS);
  const most = Math.max(...counts);
  const format = (value: number) => Number(value.toPrecision(3)).toString();
  return (
    <figure class="histogram">
      <svg viewBox={`0 0 ${BINS * 10} 40`} preserveAspectRatio="none" role="img" aria-label={label}>
        {counts.map((count, at) => (
          <rect
            key={at}
            x={at * 10 + 1}
            y={40 - (count / most) * 40}
            width={8}
            height={(count / most) * 40}
          />
        ))}
      </svg>
      <figcaption>
        <span>{format(Math.min(...values))}</span>
        <span>{format(Math.max(...values))}</span>
      </figcaption>
    </figure>
  );
}
