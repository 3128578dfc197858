/** What can be done with images that were selected: name, take out, mark. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Action, Selection } from "../api/methods";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countImages, formatCount, labelOf } from "../state/facts";
import type { GridModel } from "../state/grid";
import { NameField, type NameFieldHandle } from "./NameField";
import { Button } from "./Button";

interface Props {
  model: GridModel;
  /** How the images came to be shown; goes into the ledger. */
  selection: Selection;
  /** Cuts the chosen images off the proposal that they are all in. */
  splits?: boolean;
}

export function SelectionBar({ model, selection, splits = false }: Props) {
  const store = useStore();
  const name = useSignal("");
  const field = useRef<NameFieldHandle>(null);
  const chosen = model.chosen;
  const act = async (action: Action) => {
    if (chosen.length === 0) {
      store.tell("No image is selected, so nothing was decided: select one first.", "error");
    } else if (await store.act(action, selection)) {
      model.clear();
      name.value = "";
      store.watch.restart();
    }
  };
  // More than a page of images were not looked at one by one: a decision on them as a group.
  const pageSize = store.overview.value?.page_size ?? 60;
  const asGroup = chosen.length > pageSize;
  const held = store.snapshot.value?.held;
  const moved = asGroup && held ? chosen.filter((image) => !held[image]).length : chosen.length;
  const move = (label: string) =>
    void act(
      asGroup
        ? { name: "move", images: chosen, label, as_group: true }
        : { name: "move_with_copies", images: chosen, label },
    );
  const label = commonLabel(chosen, (image) => labelOf(store.snapshot.value, image));
  const part = splits ? splitOff(store.snapshot.value, chosen) : null;
  const discard = () => void act({ name: "discard", images: chosen });
  const release = () => void act({ name: "release", images: chosen });
  const prototype = () => {
    if (label) void act({ name: "set_prototypes", images: chosen, label, on: true });
  };
  const exclude = () => {
    if (label) void act({ name: "exclude", images: chosen, label });
  };
  const cut = () => {
    if (part) void act({ name: "split", ...part });
  };
  const text = (typed: string) => {
    name.value = typed;
    field.current?.focus();
  };
  useKeys(
    { Enter: () => field.current?.focus(), r: discard, f: release, t: prototype, e: exclude, s: cut },
    { onText: text },
  );
  const none = chosen.length === 0;
  return (
    <div class="decide selection" role="group" aria-label="The selected images">
      <NameField
        label={none ? "Nothing selected" : describeMove(moved, chosen.length)}
        value={name.value}
        names={store.names.value}
        placeholder="Enter, then type a name"
        onInput={(typed) => {
          name.value = typed;
        }}
        onAccept={move}
        handle={field}
      />
      <div class="tools">
        <Button hotkey="e" disabled={none || !label} onClick={exclude}>
          {label ? `Not ${label}` : "Not this type"}
        </Button>
        <Button hotkey="r" disabled={none} onClick={discard} title="No type on purpose">
          No type
        </Button>
        <Button hotkey="f" disabled={none} onClick={release} title="Follow the proposal again">
          Release
        </Button>
        <Button hotkey="t" disabled={none || !label} onClick={prototype}>
          Prototype
        </Button>
        {splits && (
          <Button hotkey="s" disabled={part === null} onClick={cut}>
            {part ? "Split off" : "Split"}
          </Button>
        )}
      </div>
    </div>
  );
}

/** How many images a name is for; of a group those that were decided one by one keep theirs. */
export function describeMove(moved: number, chosen: number): string {
  if (moved === chosen) return `Name ${countImages(chosen)}`;
  return `Name ${formatCount(moved)} of ${countImages(chosen)}; the others were decided one by one`;
}

/** The type that all of the images bear; null where they differ. */
export function commonLabel(
  images: number[],
  labelAt: (image: number) => string | null,
): string | null {
  const labels = new Set(images.map(labelAt));
  return labels.size === 1 ? ([...labels][0] ?? null) : null;
}

interface CodedProposals {
  proposal: Int32Array;
  proposals: { id: string }[];
}

/** The chosen images and the rest of the one proposal that they are in; null where it is not one. */
export function splitOff(
  snapshot: CodedProposals | null,
  chosen: number[],
): { proposal: string; parts: number[][] } | null {
  const code = snapshot?.proposal[chosen[0] ?? -1] ?? -1;
  const row = snapshot?.proposals[code];
  if (!snapshot || !row || chosen.some((image) => snapshot.proposal[image] !== code)) return null;
  const inside = new Set(chosen);
  const rest: number[] = [];
  snapshot.proposal.forEach((one, image) => {
    if (one === code && !inside.has(image)) rest.push(image);
  });
  return rest.length > 0 ? { proposal: row.id, parts: [chosen, rest] } : null;
}
