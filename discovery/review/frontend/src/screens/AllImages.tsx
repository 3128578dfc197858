/** Every image, filtered and at any granularity. */
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import type { Selection } from "../api/methods";
import { FilterBar } from "../components/FilterBar";
import { type Level, Granularity, orderByGroup } from "../components/Granularity";
import { type CellFacts, ImageGrid } from "../components/ImageGrid";
import { ScreenHead } from "../components/ScreenHead";
import { SelectionBar } from "../components/SelectionBar";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countImages, describeImage, typeFacts } from "../state/facts";
import { describeFilter, filterImages } from "../state/filter";
import { GridModel } from "../state/grid";
import { groupPaint } from "../state/palette";
import { useAnswer } from "../state/useAnswer";

export function AllImages() {
  const store = useStore();
  const model = useMemo(() => new GridModel("select"), []);
  const level = useSignal<Level | null>(null);
  const snapshot = store.snapshot.value;
  const filter = store.filter.value;
  const asks = filter.text !== "" || (filter.column !== "" && filter.value !== "");
  const found = useAnswer<{ images: number[] }>("find", asks ? findArguments(filter) : null);
  const group = level.value?.group ?? null;
  const order = useMemo(() => (group ? orderByGroup(group) : null), [group]);
  const images = useMemo(() => {
    if (!snapshot) return new Int32Array(0);
    const among = asks ? (found.columns["images"] ?? found.json?.images ?? []) : null;
    return filterImages(snapshot, filter, order, among);
  }, [snapshot, filter, order, asks, found.json]);
  // Before the count above the grid is painted: a key that follows it at once meets these images.
  useLayoutEffect(() => model.show(images), [filter, order, found.json]);
  // A decision changes what passes the filter; the place in the grid stays.
  useLayoutEffect(() => model.update(images), [images]);
  useEffect(() => store.watch.restart(), [images]);
  const selectGroup = () => {
    const image = model.current.value;
    if (!group || image === undefined) return;
    const wanted = group[image];
    model.marked.value = new Set(Array.from(images).filter((one) => group[one] === wanted));
  };
  useKeys({ a: selectGroup });
  const selection: Selection = level.value
    ? { kind: "level", position: level.value.position, query: describeFilter(filter) }
    : { kind: "filter", query: describeFilter(filter) };
  const facts = group ? groupFacts(group, snapshot) : typeFacts(snapshot);
  return (
    <section class="screen all-images" aria-label="All images">
      <ScreenHead
        title="All images"
        detail={`${countImages(images.length)} of ${snapshot?.label.length.toLocaleString("en-US")}`}
        why={store.place.value.why}
      />
      <FilterBar />
      <Granularity level={level} />
      <SelectionBar model={model} selection={selection} splits={group !== null} />
      <div class="work">
        <div class={`pane${found.loading ? " loading" : ""}`}>
          {images.length === 0 && <p class="none">No image passes this filter.</p>}
          <ImageGrid
            model={model}
            label="All images"
            facts={facts}
            onOpen={(at) => {
              store.dialog.value = { kind: "viewer", images: model.images.value, at };
            }}
          />
        </div>
      </div>
    </section>
  );
}

function findArguments(filter: { text: string; column: string; value: string }): object {
  const { text, column, value } = filter;
  return { text, ...(column !== "" && value !== "" ? { column, value } : {}) };
}

function groupFacts(
  group: Int32Array,
  snapshot: Parameters<typeof describeImage>[0],
): (image: number) => CellFacts {
  return (image) => {
    const code = group[image] ?? -1;
    const name = describeImage(snapshot, image);
    return {
      color: groupPaint(code),
      badge: code < 0 ? undefined : String(code + 1),
      name: code < 0 ? `${name}, in no group` : `${name}, group ${code + 1}`,
    };
  };
}
