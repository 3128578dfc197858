/** The points as both renderers draw them: in random order, so that the first k are a sample. */
import type { MapProps } from "./props";

const SEED = 0x9e3779b9;
/** Grey, where the palette is too short. */
const WITHOUT_COLOR = 0xff808080;

export interface Points {
  /** Of each drawn point, its index in the props. */
  readonly order: Uint32Array;
  /** x and y in turn. */
  readonly positions: Float32Array;
  /** Four bytes each. */
  colors: Uint8Array;
  /** 1 for each that is selected. */
  flags: Uint8Array;
  /** Where the selected ones stand in `order`. */
  selected: Uint32Array;
}

/** Shuffles the points that have a position; the same points always fall into the same order. */
export function arrangePoints(props: MapProps): Points {
  const { x, y } = props;
  const order = new Uint32Array(x.length);
  let count = 0;
  for (let i = 0; i < x.length; i++) if (Number.isFinite(x[i]! + y[i]!)) order[count++] = i;
  const shuffled = order.slice(0, count);
  let random = SEED;
  for (let i = count - 1; i > 0; i--) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((random / 2 ** 32) * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  const positions = new Float32Array(2 * count);
  for (let k = 0; k < count; k++) {
    positions[2 * k] = x[shuffled[k]!]!;
    positions[2 * k + 1] = y[shuffled[k]!]!;
  }
  return { order: shuffled, positions, ...stylePoints(shuffled, props) };
}

/** Works out how each point looks. */
export function stylePoints(
  order: Uint32Array,
  props: MapProps,
): Pick<Points, "colors" | "flags" | "selected"> {
  const flags = new Uint8Array(order.length);
  let count = 0;
  for (let k = 0; k < order.length; k++) {
    if (!props.selected?.[order[k]!]) continue;
    flags[k] = 1;
    count++;
  }
  const selected = new Uint32Array(count);
  for (let k = 0, next = 0; next < count; k++) if (flags[k]) selected[next++] = k;
  return { colors: colorPoints(order, props), flags, selected };
}

function colorPoints(order: Uint32Array, props: MapProps): Uint8Array {
  const table = new Uint32Array(parsePalette(props.palette).buffer);
  const colors = new Uint32Array(order.length);
  for (let k = 0; k < order.length; k++) colors[k] = table[props.color[order[k]!]!] ?? WITHOUT_COLOR;
  return new Uint8Array(colors.buffer);
}

function parsePalette(palette: readonly string[]): Uint8Array {
  const table = new Uint8Array(4 * palette.length);
  palette.forEach((color, at) => {
    const value = Number.parseInt(color.slice(1, 7), 16);
    table.set([value >> 16, (value >> 8) & 255, value & 255, 255], 4 * at);
  });
  return table;
}
