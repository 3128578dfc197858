/** One proposal: throw out what does not belong, name the rest. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Action, ProposalRow, Validation } from "../api/methods";
import { Button } from "../components/Button";
import { EvidencePanel } from "../components/EvidencePanel";
import { type CellFacts, ImageGrid } from "../components/ImageGrid";
import {
  digitKeys,
  NameField,
  type NameFieldHandle,
  Suggestions,
} from "../components/NameField";
import { ScreenHead } from "../components/ScreenHead";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countImages, describeImage, formatCount } from "../state/facts";
import { GridModel } from "../state/grid";
import { uniqueNames } from "../state/names";
import { useAnswer } from "../state/useAnswer";

export function Validate() {
  const store = useStore();
  const id = store.place.value.proposal;
  const row = id === null ? undefined : store.proposals.value.get(id);
  if (!row) {
    return (
      <section class="screen empty">
        <p>No proposal is chosen. Choose one from the list, or press n for the next.</p>
      </section>
    );
  }
  return <OneProposal key={row.id} row={row} />;
}

function OneProposal({ row }: { row: ProposalRow }) {
  const store = useStore();
  const model = useMemo(() => new GridModel("throw"), []);
  const name = useSignal(row.label ?? "");
  const field = useRef<NameFieldHandle>(null);
  const limit = store.overview.value?.page_size ?? 60;
  // Undone or decided by somebody else, it is asked for anew.
  const shown = useAnswer<Validation>(
    "validate",
    { proposal: row.id, limit },
    `${row.status} ${row.size}`,
  );
  const validation = shown.json;
  useEffect(() => {
    if (!validation) return;
    model.show(validation.images);
    store.watch.restart();
  }, [validation]);
  useEffect(() => {
    if (row.label !== null) name.value = row.label;
  }, [row.label]);

  const act = useProposalActions(row, model, validation);
  const suggestions = uniqueNames(validation?.suggestions ?? []).slice(0, 9);
  const take = (text: string) => {
    name.value = text;
  };
  const accept = (text: string) => {
    if (text.trim() === "") field.current?.focus();
    else void act.accept(text.trim());
  };
  const nameAlone = (text: string) => {
    if (text.trim() === "") field.current?.focus();
    else void act.nameAlone(text.trim());
  };
  useKeys(
    {
      ...digitKeys(suggestions, take),
      Enter: () => accept(name.value),
      "Shift+Enter": () => nameAlone(name.value),
      a: () => accept(name.value || (suggestions[0] ?? "")),
      "Shift+A": () => nameAlone(name.value || (suggestions[0] ?? "")),
      s: act.split,
      m: act.merge,
      "Shift+M": act.moveMarked,
      r: () => void act.reject(),
      d: () => void act.defer(),
      g: () => store.go("grow", { type: name.value || row.label || suggestions[0] || "" }),
      n: () => act.step(1),
      p: () => act.step(-1),
    },
    {
      onText: (text) => {
        name.value = text;
        field.current?.focus();
      },
    },
  );
  const facts = useProposalFacts(validation);
  const thrown = model.marked.value.size;
  return (
    <section class="screen validate" aria-label={`Proposal ${row.number}`}>
      <ScreenHead
        title={`Proposal ${row.number}`}
        status={row.status}
        detail={describeShown(row, validation)}
        why={store.place.value.why}
      />
      <div class="decide">
        <NameField
          label="Name of the type"
          value={name.value}
          names={[...suggestions, ...store.names.value]}
          placeholder="Enter, then type a name"
          onInput={take}
          onAccept={accept}
          onNameAlone={nameAlone}
          handle={field}
        />
        <Button kind="primary" hotkey="Enter" onClick={() => accept(name.value)}>
          {thrown > 0 ? `Accept without ${thrown}` : "Accept"}
        </Button>
        <div class="tools">
          <Button hotkey="⇧Enter" onClick={() => nameAlone(name.value)}>
            Name only
          </Button>
          <Button hotkey="s" onClick={act.split}>
            Split
          </Button>
          <Button hotkey="m" onClick={act.merge}>
            Merge
          </Button>
          <Button hotkey="r" onClick={() => void act.reject()}>
            Reject
          </Button>
          <Button hotkey="d" onClick={() => void act.defer()}>
            Defer
          </Button>
          <Button hotkey="⇧M" disabled={thrown === 0} onClick={act.moveMarked}>
            Move marked
          </Button>
        </div>
        <Suggestions names={suggestions} onTake={take} />
      </div>
      <div class="work">
        <div class={`pane${shown.loading ? " loading" : ""}`}>
          {validation?.warnings.map((text) => (
            <p key={text} class="warning" role="note">
              {text}
            </p>
          ))}
          <ImageGrid
            model={model}
            label={`Images of proposal ${row.number}`}
            facts={facts}
            onOpen={(at) => {
              store.dialog.value = { kind: "viewer", images: model.images.value, at };
            }}
          />
        </div>
        <EvidencePanel row={row} validation={validation} />
      </div>
    </section>
  );
}

function describeShown(row: ProposalRow, validation: Validation | null): string {
  const likely = row.likely === null ? "" : `, looks like ${row.likely}`;
  if (!validation || validation.images.length >= row.size) return countImages(row.size) + likely;
  return `${countImages(row.size)}${likely}, the ${formatCount(validation.images.length)} that speak most against it`;
}

function useProposalFacts(validation: Validation | null): (image: number) => CellFacts {
  const snapshot = useStore().snapshot.value;
  return (image) => {
    const copies = validation?.folded[String(image)]?.length ?? 0;
    const isMedoid = image === validation?.medoid;
    const name = describeImage(snapshot, image);
    return {
      badge: copies > 0 ? `+${copies}` : isMedoid ? "typical" : undefined,
      name: name + (isMedoid ? ", most typical" : "") + (copies > 0 ? `, ${copies} copies` : ""),
    };
  };
}

/** What can be decided about the proposal that is shown. */
function useProposalActions(row: ProposalRow, model: GridModel, validation: Validation | null) {
  const store = useStore();
  const deciding = useRef(false);
  // A key that comes before the images do must not decide on what nobody saw.
  const decide = async (action: Action) => {
    if (!validation || deciding.current) return;
    deciding.current = true;
    try {
      if (await store.act(action, { kind: "proposal" })) await store.advance(row.id);
    } finally {
      deciding.current = false;
    }
  };
  return {
    accept(label: string) {
      const thrown = model.marked.value.size > 0 ? model.chosen : [];
      const shown = validation?.images ?? [];
      return decide({ name: "accept", proposal: row.id, label, shown, thrown });
    },
    /** Nobody vouches for what is shown: strangers among them come back on a page of doubt. */
    nameAlone: (label: string) =>
      decide({ name: "accept", proposal: row.id, label, shown: [], thrown: [] }),
    reject: () => decide({ name: "reject", proposal: row.id }),
    defer: () => decide({ name: "defer", proposal: row.id }),
    split() {
      store.dialog.value = { kind: "split", proposal: row.id };
    },
    merge() {
      store.dialog.value = { kind: "merge", proposal: row.id };
    },
    moveMarked() {
      if (model.marked.value.size === 0) return;
      store.dialog.value = {
        kind: "move",
        images: model.chosen,
        selection: { kind: "validate", proposal: row.id },
        done: () => model.clear(),
      };
    },
    step(by: 1 | -1) {
      const goal = store.neighbour(row.id, by);
      if (goal) store.go("validate", { proposal: goal.id });
      else store.tell(by === 1 ? "No open proposal follows." : "No open proposal comes before.");
    },
  };
}
