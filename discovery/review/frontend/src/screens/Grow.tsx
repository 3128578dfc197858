/** A type grows: pages of undecided images, nearest first, until they stop being of the type. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { GrowPage } from "../api/methods";
import { Button } from "../components/Button";
import { ImageGrid } from "../components/ImageGrid";
import { ScreenHead } from "../components/ScreenHead";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countImages, formatCount, typeFacts } from "../state/facts";
import { GridModel } from "../state/grid";

export function Grow() {
  const store = useStore();
  const types = store.snapshot.value?.types ?? [];
  const wanted = store.place.value.type;
  const label = types.some((type) => type.label === wanted) ? wanted : types[0]?.label;
  if (!label) {
    return (
      <section class="screen empty">
        <p>No type has a name yet. Name a proposal first; then its type can grow.</p>
      </section>
    );
  }
  return <OneType key={label} label={label} />;
}

interface Search {
  page: GrowPage | null;
  /** All that was thrown out on the way. */
  thrown: number[];
  /** The pages that were answered, oldest first. */
  answered: { from: number; to: number; pure: boolean }[];
  waiting: boolean;
}

const START: Search = { page: null, thrown: [], answered: [], waiting: true };

function OneType({ label }: { label: string }) {
  const store = useStore();
  const model = useMemo(() => new GridModel("throw"), []);
  const search = useSignal<Search>(START);
  const { page, answered, waiting } = search.value;
  const types = store.snapshot.value?.types ?? [];

  const ask = async (answer: "pure" | "impure" | null) => {
    const before = search.value;
    const marked = answer === null ? [] : [...model.marked.value];
    search.value = { ...before, waiting: true };
    try {
      const { json } = await store.call<GrowPage>("grow", {
        label,
        cursor: before.page?.cursor ?? null,
        answer,
        thrown: marked,
      });
      const done = before.page && { from: before.page.from, to: before.page.to };
      search.value = {
        page: json,
        thrown: [...before.thrown, ...marked],
        answered: done ? [...before.answered, { ...done, pure: answer === "pure" }] : [],
        waiting: false,
      };
      model.show(json.images);
      store.watch.resume();
    } catch (error) {
      search.value = { ...before, waiting: false };
      store.tellError(error);
    }
  };
  const begin = () => {
    search.value = START;
    store.watch.restart();
    void ask(null);
  };
  useEffect(begin, [label]);
  const answer = (kind: "pure" | "impure") => {
    if (!page || waiting) return;
    if (page.done) void commit();
    else void ask(kind);
  };
  const commit = async () => {
    if (!page) return;
    const { thrown } = search.value;
    const action = { name: "grow", label, cursor: page.cursor, thrown } as const;
    // Where nothing is taken, what was thrown out still counts: it is never offered again.
    const hasAnything = page.take > 0 || thrown.length > 0;
    if (hasAnything && !(await store.act(action))) return;
    await store.advance();
    const { screen, type } = store.place.value;
    if (screen === "grow" && type === label) begin();
  };
  const switchType = (step: 1 | -1) => {
    const at = types.findIndex((type) => type.label === label) + step;
    const goal = types[(at + types.length) % types.length];
    if (goal) store.go("grow", { type: goal.label });
  };
  useKeys({
    Enter: () => answer("pure"),
    r: () => !page?.done && answer("impure"),
    n: () => switchType(1),
    p: () => switchType(-1),
  });

  const thrown = model.marked.value.size;
  const row = types.find((type) => type.label === label);
  return (
    <section class="screen grow" aria-label={`Grow ${label}`}>
      <ScreenHead
        title={`Grow ${label}`}
        detail={`${countImages(row?.images ?? 0)} so far`}
        why={store.place.value.why}
      />
      <div class="decide">
        <label class="choice">
          Type
          <select
            value={label}
            onChange={(event) => store.go("grow", { type: event.currentTarget.value })}
          >
            {types.map((type) => (
              <option key={type.label} value={type.label}>
                {type.label}
              </option>
            ))}
          </select>
        </label>
        <Button kind="primary" hotkey="Enter" disabled={!page || waiting} onClick={() => answer("pure")}>
          {describeAnswer(page, thrown, label)}
        </Button>
        <Button
          hotkey="r"
          disabled={!page || waiting || page.done}
          onClick={() => answer("impure")}
        >
          This page does not belong
        </Button>
        <Button disabled={answered.length === 0} onClick={begin}>
          Start again
        </Button>
        <Button hotkey="n" disabled={types.length < 2} onClick={() => switchType(1)}>
          Next type
        </Button>
      </div>
      {page && <Gallop page={page} answered={answered} />}
      <div class="work">
        <div class={`pane${waiting ? " loading" : ""}`}>
          {page?.done ? (
            <Summary page={page} label={label} thrown={search.value.thrown} />
          ) : (
            <ImageGrid
              model={model}
              label={`Candidates for ${label}`}
              facts={typeFacts(store.snapshot.value)}
              onOpen={(at) => {
                store.dialog.value = { kind: "viewer", images: model.images.value, at };
              }}
            />
          )}
        </div>
      </div>
    </section>
  );
}

function describeAnswer(page: GrowPage | null, thrown: number, label: string): string {
  if (!page) return "…";
  if (page.done) return page.take > 0 ? `Take ${countImages(page.take)}` : "What comes next";
  return thrown > 0 ? `All but ${thrown} are ${label}` : `All are ${label}`;
}

function Summary({ page, label, thrown }: { page: GrowPage; label: string; thrown: number[] }) {
  return (
    <div class="summary">
      <p class="large">
        {page.take > 0
          ? `${countImages(page.take)} become ${label}.`
          : `No image that is left belongs to ${label}.`}
      </p>
      <p class="muted">
        {thrown.length > 0 &&
          `${countImages(thrown.length)} thrown out; never offered for this type again. `}
        {page.take > 0 && "Enter records it; u takes it back."}
      </p>
    </div>
  );
}

/** Where the pages lie among all candidates, and how they were answered. */
function Gallop({ page, answered }: { page: GrowPage; answered: Search["answered"] }) {
  const share = (at: number) => `${(100 * at) / Math.max(1, page.of)}%`;
  const part = (from: number, to: number) => ({ left: share(from), width: share(to - from) });
  return (
    <div class="gallop">
      <div class="track" aria-hidden="true">
        {answered.map((one, at) => (
          <span
            key={at}
            class={one.pure ? "pure" : "impure"}
            style={part(one.from, one.to)}
          />
        ))}
        {!page.done && <span class="here" style={part(page.from, page.to)} />}
      </div>
      <p>
        {page.done
          ? `Found after ${answered.length} pages`
          : `Images ${formatCount(page.from + 1)} to ${formatCount(page.to)} of ` +
            `${formatCount(page.of)}, nearest first · page ${answered.length + 1}`}
      </p>
    </div>
  );
}
