/** The map: a lasso, and what it caught beside it. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Selection } from "../api/methods";
import { type Level, Granularity } from "../components/Granularity";
import { ImageGrid } from "../components/ImageGrid";
import { MapView } from "../components/MapView";
import { ScreenHead } from "../components/ScreenHead";
import { SelectionBar } from "../components/SelectionBar";
import { Thumb } from "../components/Thumb";
import { useStore } from "../state/context";
import { countImages, describeImage, typeFacts } from "../state/facts";
import { GridModel } from "../state/grid";
import { groupCodes } from "../state/palette";
import { placeLabels } from "../state/places";

export function MapScreen() {
  const store = useStore();
  const model = useMemo(() => new GridModel("select"), []);
  const level = useSignal<Level | null>(null);
  // Before the first name all would be grey.
  const first = store.snapshot.value?.types.length ? "types" : "proposals";
  const coloring = useSignal<"types" | "proposals">(first);
  const hovered = useSignal<number | null>(null);
  const selection = useSignal<Selection>({ kind: "map" });
  const snapshot = store.snapshot.value;
  const { x, y } = store.columns.value ?? { x: null, y: null };
  const group = level.value?.group ?? null;
  const { dark } = store.settings;
  const codes = useMemo(() => {
    if (group) return groupCodes(group, dark);
    if (!snapshot) return null;
    const { label, proposal } = snapshot;
    return groupCodes(coloring.value === "types" ? label : proposal, dark);
  }, [group, snapshot, coloring.value, dark]);
  const labels = useMemo(
    () => (x && y && snapshot ? placeLabels(x, y, snapshot) : []),
    [x, y, snapshot],
  );
  const images = model.images.value;
  const selected = useMemo(() => {
    const flags = new Uint8Array(x?.length ?? 0);
    for (let at = 0; at < images.length; at++) flags[images[at] as number] = 1;
    return flags;
  }, [images, x]);
  useEffect(() => store.watch.restart(), []);

  if (!x || !y || !codes) {
    return (
      <section class="screen empty">
        <p>{store.columns.value ? "This run has no map." : "Loading the map …"}</p>
      </section>
    );
  }
  const take = (chosen: ArrayLike<number>, how: Selection) => {
    selection.value = how;
    model.show(chosen);
    model.markAll();
    store.watch.restart();
  };
  return (
    <section class="screen map-screen" aria-label="Map">
      <ScreenHead title="Map" detail={describeCaught(images.length)}>
        <label class="choice">
          Colour
          <select
            value={coloring.value}
            onChange={(event) => {
              coloring.value = event.currentTarget.value as "types" | "proposals";
            }}
          >
            <option value="types">types</option>
            <option value="proposals">proposals</option>
          </select>
        </label>
      </ScreenHead>
      <Granularity level={level} />
      <SelectionBar model={model} selection={selection.value} splits />
      <div class="work map-work">
        <div class="pane map-pane">
          <MapView
            x={x}
            y={y}
            {...codes}
            selected={selected}
            labels={labels}
            dark={dark}
            onLasso={(polygon, indices) =>
              take(indices, { kind: "lasso", map: "map.npz", polygon })
            }
            onHover={(index) => {
              hovered.value = index;
            }}
            view={store.mapView}
            onView={(view) => {
              store.mapView = view;
            }}
            onPick={(index) => take([index], { kind: "map" })}
          />
          {hovered.value !== null && (
            <figure class="hover-card">
              <Thumb image={hovered.value} />
              <figcaption>{describeImage(snapshot, hovered.value)}</figcaption>
            </figure>
          )}
        </div>
        <div class="pane caught">
          {images.length === 0 && (
            <p class="none">What the lasso catches appears here: to be named, moved or split off.</p>
          )}
          <ImageGrid
            model={model}
            label="Images inside the lasso"
            facts={typeFacts(snapshot)}
            onOpen={(at) => {
              store.dialog.value = { kind: "viewer", images: model.images.value, at };
            }}
          />
        </div>
      </div>
    </section>
  );
}

function describeCaught(count: number): string {
  return count > 0 ? `${countImages(count)} chosen` : "draw round points to choose them";
}
