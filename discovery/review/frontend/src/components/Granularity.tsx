/** The slider of granularity: how fine the images fall into groups; stable positions are marked. */
import { useEffect, useRef } from "preact/hooks";
import type { Signal } from "@preact/signals";
import { useStore } from "../state/context";
import { formatCount } from "../state/facts";

export interface Level {
  position: number;
  groups: number;
  group: Int32Array;
}

interface Props {
  level: Signal<Level | null>;
}

export function Granularity({ level }: Props) {
  const store = useStore();
  const levels = store.overview.value?.levels;
  const wanted = useRef<number | null>(null);
  const asking = useRef(false);
  useEffect(
    () => () => {
      wanted.current = null;
    },
    [],
  );
  if (!levels || levels.positions.length < 2) return null;
  const { positions } = levels;

  // While one answer is under way only the last position asked for is kept.
  const ask = async () => {
    if (asking.current) return;
    asking.current = true;
    try {
      while (wanted.current !== null) {
        const position = wanted.current;
        wanted.current = null;
        const { json, columns } = await store.call<{ groups: number }>("levels", { position });
        level.value = { position, groups: json.groups, group: columns["group"] as Int32Array };
      }
    } catch (error) {
      store.tellError(error);
    } finally {
      asking.current = false;
    }
  };
  const move = (place: number) => {
    const position = positions[place];
    if (!position) return;
    wanted.current = position.index;
    void ask();
  };
  const at = positions.findIndex(
    (one) => one.index === (level.value?.position ?? levels.current),
  );
  const here = positions[Math.max(0, at)];
  const share = (place: number) => `${(100 * place) / (positions.length - 1)}%`;
  const text = here
    ? `${formatCount(here.groups)} groups${here.stable ? ", stable" : ""}`
    : "no groups";
  return (
    <div class="granularity">
      <label>
        <span>Granularity</span>
        <span class="slider">
          <input
            type="range"
            min={0}
            max={positions.length - 1}
            step={1}
            value={Math.max(0, at)}
            aria-valuetext={text}
            onInput={(event) => move(event.currentTarget.valueAsNumber)}
            // After the mouse the arrows are the grid's again; who came by Tab stays.
            onPointerUp={(event) => event.currentTarget.blur()}
          />
          <span class="ticks" aria-hidden="true">
            {positions.map(
              (one, place) =>
                one.stable && (
                  <i key={one.index} style={{ left: share(place) }} title={`${one.groups} groups`} />
                ),
            )}
          </span>
        </span>
      </label>
      <output>{text}</output>
      {level.value && (
        <button
          type="button"
          class="button quiet"
          onClick={() => {
            level.value = null;
          }}
        >
          Back to proposals
        </button>
      )}
    </div>
  );
}

/** Images ordered by group, large groups first, what is in none last. */
export function orderByGroup(group: Int32Array): Int32Array {
  const sizes = new Map<number, number>();
  for (const one of group) sizes.set(one, (sizes.get(one) ?? 0) + 1);
  const order = [...sizes.keys()].sort(
    (a, b) => Number(a < 0) - Number(b < 0) || (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0) || a - b,
  );
  const next = new Map<number, number>();
  let start = 0;
  for (const one of order) {
    next.set(one, start);
    start += sizes.get(one) ?? 0;
  }
  const images = new Int32Array(group.length);
  group.forEach((one, image) => {
    const place = next.get(one) ?? 0;
    images[place] = image;
    next.set(one, place + 1);
  });
  return images;
}
