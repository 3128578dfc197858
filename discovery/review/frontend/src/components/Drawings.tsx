/** Small drawings of numbers. */
import { useStore } from "../state/context";
import { useMount } from "./useMount";

const BINS = 16;
/** Places come in radii of the wafer. */
const DIAMETER = 2;

const load = async () => (await import("../wafer")).mountWafer;

/** Places on the wafer: those of the proposal in colour before all others. */
export function WaferMap({ x, y, inside }: { x: number[]; y: number[]; inside: number[] }) {
  const { dark } = useStore().settings;
  return <div class="wafer" ref={useMount(load, { x, y, inside, dark, diameter: DIAMETER })} />;
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
