/** The images whose type is least sure: a page is confirmed with one key, the wrong ones moved. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { DoubtPage } from "../api/methods";
import { Button } from "../components/Button";
import { type CellFacts, ImageGrid } from "../components/ImageGrid";
import { digitKeys, NameField, type NameFieldHandle, Suggestions } from "../components/NameField";
import { ScreenHead } from "../components/ScreenHead";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countLikely, DoubtPlan } from "../state/doubt";
import { countImages, describeImage, formatScore } from "../state/facts";
import { GridModel } from "../state/grid";
import { uniqueNames } from "../state/names";
import { groupPaint } from "../state/palette";
import { useAnswer } from "../state/useAnswer";

const ANY = "";

export function Doubt() {
  const store = useStore();
  const type = useSignal(ANY);
  const revision = store.snapshot.value?.revision ?? 0;
  const types = store.snapshot.value?.types ?? [];
  const wanted = types.some((one) => one.label === type.value) ? type.value : null;
  const asked = useAnswer<DoubtPage>("doubt", { type: wanted }, revision);
  const page = asked.json;
  const choice = (
    <label class="choice">
      Type
      <select
        value={wanted ?? ANY}
        onChange={(event) => {
          type.value = event.currentTarget.value;
        }}
      >
        <option value={ANY}>any</option>
        {types.map((one) => (
          <option key={one.label} value={one.label}>
            {one.label}
          </option>
        ))}
      </select>
    </label>
  );
  if (!page || page.images.length === 0) {
    return (
      <section class="screen empty">
        <p>
          {asked.loading
            ? "Looking for doubtful images …"
            : "Nothing is in doubt: two types need names, and images that nobody looked at."}
        </p>
        {wanted !== null && choice}
        <Button hotkey="." onClick={() => void store.advance()}>
          What comes next
        </Button>
      </section>
    );
  }
  return (
    <section class="screen doubt" aria-label="Doubt">
      <ScreenHead
        title="Doubt"
        detail={`${countImages(page.images.length)} whose type is least sure`}
        why={store.place.value.why}
      >
        {choice}
      </ScreenHead>
      <DoubtfulPage page={page} loading={asked.loading} />
    </section>
  );
}

function DoubtfulPage({ page, loading }: { page: DoubtPage; loading: boolean }) {
  const store = useStore();
  const model = useMemo(() => new GridModel("throw"), []);
  const field = useRef<NameFieldHandle>(null);
  const name = useSignal("");
  const plan = useSignal(new DoubtPlan(page));
  useEffect(() => {
    plan.value = new DoubtPlan(page);
    model.show(page.images);
    name.value = "";
    store.watch.restart();
  }, [page]);
  const likely = countLikely(page);
  const names = uniqueNames(
    likely.map(([label]) => label),
    store.snapshot.value?.types.map((type) => type.label) ?? [],
  ).slice(0, 9);
  const say = (label: string) => {
    plan.value = plan.value.say(model.chosen, label);
    model.clear();
    name.value = "";
  };
  const confirm = async () => {
    const groups = plan.value.settle(model.marked.value);
    // What is decided already is still shown while the next page is looked for.
    if (loading || Object.keys({ ...groups.moves, ...groups.thrown }).length === 0) return;
    const shown = page.images.length;
    const done = await store.act({ name: "settle", ...groups }, { kind: "doubt", shown });
    if (done) await store.advance();
  };
  useKeys(
    { ...digitKeys(names, say), Enter: () => void confirm() },
    {
      onText: (text) => {
        name.value = text;
        field.current?.focus();
      },
    },
  );
  const crossed = model.marked.value.size;
  return (
    <>
      <div class="decide">
        <Button kind="primary" hotkey="Enter" disabled={loading} onClick={() => void confirm()}>
          {crossed > 0 ? `Confirm all but ${crossed}` : "Confirm all"}
        </Button>
        <NameField
          label={crossed > 0 ? `The ${crossed} crossed out are` : "This one is"}
          value={name.value}
          names={store.names.value}
          onInput={(text) => {
            name.value = text;
          }}
          onAccept={say}
          handle={field}
        />
        <p class="muted counts">
          {likely.map(([label, count]) => `${count} look like ${label}`).join(", ")}
        </p>
        <Suggestions names={names} onTake={say} />
      </div>
      <div class="work">
        <div class={`pane${loading ? " loading" : ""}`}>
          <ImageGrid
            model={model}
            label="Doubtful images"
            facts={useDoubtFacts(page, plan.value)}
            onOpen={(at) => {
              store.dialog.value = { kind: "viewer", images: model.images.value, at };
            }}
          />
        </div>
      </div>
    </>
  );
}

/** Each picture bears the name and the colour of what it is about to become. */
function useDoubtFacts(page: DoubtPage, plan: DoubtPlan): (image: number) => CellFacts {
  const snapshot = useStore().snapshot.value;
  const colors = new Map(snapshot?.types.map((type, code) => [type.label, groupPaint(code)]));
  const chance = new Map(page.images.map((image, at) => [image, page.probability[at] ?? null]));
  return (image) => {
    const goal = plan.goalOf(image);
    const leaf = goal.slice(goal.lastIndexOf("/") + 1);
    const score = plan.isSaid(image) ? "" : ` ${formatScore(chance.get(image))}`;
    return {
      badge: leaf + score,
      color: colors.get(goal),
      name: `${describeImage(snapshot, image)}, looks like ${goal}${score}`,
    };
  };
}
