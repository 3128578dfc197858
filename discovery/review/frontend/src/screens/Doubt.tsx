/** Images that sit in one type and look like another: confirmed or moved, a page with one key. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { DoubtPage } from "../api/methods";
import { Button } from "../components/Button";
import { ImageGrid } from "../components/ImageGrid";
import {
  digitKeys,
  NameField,
  type NameFieldHandle,
  Suggestions,
} from "../components/NameField";
import { ScreenHead } from "../components/ScreenHead";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { type DoubtGroup, groupDoubt } from "../state/doubt";
import { countImages, describeImage, formatScore } from "../state/facts";
import { GridModel } from "../state/grid";
import { uniqueNames } from "../state/names";
import { useAnswer } from "../state/useAnswer";

export function Doubt() {
  const store = useStore();
  const chosen = useSignal(0);
  const revision = store.snapshot.value?.revision ?? 0;
  const asked = useAnswer<DoubtPage>("doubt", { type: null }, revision);
  const page = asked.json;
  const groups = useMemo(() => (page ? groupDoubt(page) : []), [page]);
  const at = Math.min(chosen.value, Math.max(0, groups.length - 1));
  const group = groups[at];
  const step = (by: number) => {
    chosen.value = Math.max(0, Math.min(groups.length - 1, at + by));
  };
  useKeys({ n: () => step(1), p: () => step(-1) });
  if (!page || !group) {
    return (
      <section class="screen empty">
        <p>
          {asked.loading
            ? "Looking for doubtful images …"
            : "Nothing is in doubt: no image looks like another type than its own."}
        </p>
        <Button onClick={() => void store.advance()}>What comes next</Button>
      </section>
    );
  }
  return (
    <section class="screen doubt" aria-label="Doubt">
      <ScreenHead
        title={describeGroup(group)}
        detail={countImages(group.images.length)}
        why={store.place.value.why}
      />
      <nav class="groups" aria-label="Doubtful groups">
        {groups.map((one, place) => (
          <button
            key={`${one.current} ${one.likely}`}
            type="button"
            class="chip"
            aria-current={place === at}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => {
              chosen.value = place;
            }}
          >
            <span>
              {one.current || "no type"} → {one.likely}
            </span>
            <b>{one.images.length}</b>
          </button>
        ))}
      </nav>
      <DoubtfulGroup group={group} page={page} loading={asked.loading} />
    </section>
  );
}

function describeGroup(group: DoubtGroup): string {
  return group.current
    ? `In ${group.current}, looks like ${group.likely}`
    : `In no type, looks like ${group.likely}`;
}

interface GroupProps {
  group: DoubtGroup;
  page: DoubtPage;
  loading: boolean;
}

function DoubtfulGroup({ group, page, loading }: GroupProps) {
  const store = useStore();
  const model = useMemo(() => new GridModel("select"), []);
  const field = useRef<NameFieldHandle>(null);
  const name = useSignal("");
  useEffect(() => {
    model.show(group.images);
    name.value = "";
    store.watch.restart();
  }, [group]);
  const suggestions = uniqueNames([group.likely, group.current], store.names.value).slice(0, 9);
  const chance = new Map(page.images.map((image, at) => [image, page.probability[at] ?? null]));
  const selection = { kind: "doubt", current: group.current, likely: group.likely };
  // Nothing marked means the whole group: that is the case that takes one key.
  const marked = () => (model.marked.value.size > 0 ? model.chosen : group.images);
  const decide = (images: number[], label: string) => {
    // What is decided already is still shown while the next page is looked for.
    if (loading || images.length === 0) return;
    void store.act({ name: "move", images, label }, selection);
  };
  const move = (label: string) => decide(marked(), label);
  const confirm = () => {
    const kept = group.images.filter((image) => !model.marked.value.has(image));
    decide(kept, group.current || group.likely);
  };
  useKeys(
    { ...digitKeys(suggestions, move), Enter: confirm },
    {
      onText: (text) => {
        name.value = text;
        field.current?.focus();
      },
    },
  );
  const count = model.marked.value.size;
  return (
    <>
      <div class="decide">
        <Button kind="primary" hotkey="Enter" onClick={confirm}>
          {count > 0 ? "The others are" : "All are"} {group.current || group.likely}
        </Button>
        <NameField
          label={count > 0 ? `Move ${count} marked to` : "Move all to"}
          value={name.value}
          names={store.names.value}
          onInput={(text) => {
            name.value = text;
          }}
          onAccept={move}
          handle={field}
        />
        <Suggestions names={suggestions} onTake={move} />
      </div>
      <div class="work">
        <div class={`pane${loading ? " loading" : ""}`}>
          <ImageGrid
            model={model}
            label={describeGroup(group)}
            facts={(image) => ({
              badge: formatScore(chance.get(image)),
              name:
                describeImage(store.snapshot.value, image) +
                `, ${group.likely} with probability ${formatScore(chance.get(image))}`,
            })}
            onOpen={(at) => {
              store.dialog.value = { kind: "viewer", images: model.images.value, at };
            }}
          />
        </div>
      </div>
    </>
  );
}
