/** Merge a proposal with a type or with another proposal, seen side by side. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Action, MergePair } from "../api/methods";
import { useStore } from "../state/context";
import { countImages } from "../state/facts";
import { useAnswer } from "../state/useAnswer";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { NameField, type NameFieldHandle } from "./NameField";
import { PictureRow } from "./PictureRow";

/** What the proposal can become one type with. */
interface Candidate {
  key: string;
  title: string;
  detail: string;
  label: string | null;
  proposal: string | null;
  images: number[];
}

export function MergeDialog({ proposal, onClose }: { proposal: string; onClose: () => void }) {
  const store = useStore();
  const asked = useAnswer<{ pairs: MergePair[] }>("merge_pairs", {});
  const chosen = useSignal("");
  const name = useSignal("");
  const field = useRef<NameFieldHandle>(null);
  const row = store.proposals.value.get(proposal);
  // Nothing is offered before the likeliest are known: the list must not change under a hand.
  const all = useCandidates(proposal, asked.json?.pairs ?? []);
  const candidates = asked.loading ? [] : all;
  const place = Math.max(
    0,
    candidates.findIndex((one) => one.key === chosen.value),
  );
  const candidate = candidates[place];
  useEffect(() => {
    name.value = candidate?.label ?? row?.label ?? "";
  }, [candidate?.key]);

  const merge = async (label: string) => {
    if (!candidate) return;
    if (label === "") {
      field.current?.focus();
      return;
    }
    const proposals = [proposal, ...(candidate.proposal === null ? [] : [candidate.proposal])];
    const action = { name: "merge_proposals", proposals, label } as const;
    const accept: Action = { name: "accept", proposal, label, shown: [], thrown: [] };
    const selection = { kind: "merge", with: candidate.title };
    const done = await store.act(proposals.length > 1 ? action : accept, selection);
    if (!done) return;
    onClose();
    await store.advance(proposal);
  };
  const step = (by: number) => {
    chosen.value = candidates[place + by]?.key ?? chosen.value;
  };
  return (
    <Dialog
      title={`Merge proposal ${row?.number ?? ""} with …`}
      onClose={onClose}
      wide
      keys={{
        ArrowDown: () => step(1),
        ArrowUp: () => step(-1),
        Enter: () => void merge(name.value.trim()),
      }}
      onText={(text) => {
        name.value = text;
        field.current?.focus();
      }}
    >
      <div class="merge-choice">
        <ul class="candidates" aria-label="What it can be merged with">
          {candidates.map((one, position) => (
            <li key={one.key}>
              <button
                type="button"
                class="candidate"
                aria-current={position === place}
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => {
                  chosen.value = one.key;
                }}
              >
                <span>{one.title}</span>
                <span class="muted">{one.detail}</span>
              </button>
            </li>
          ))}
        </ul>
        <div class="compare">
          <h3>Proposal {row?.number}</h3>
          <PictureRow images={row?.exemplars ?? []} wrap />
          <h3>{candidate?.title ?? (asked.loading ? "Comparing …" : "Nothing to merge with")}</h3>
          <PictureRow images={candidate?.images ?? []} wrap />
        </div>
      </div>
      <footer>
        <NameField
          label="Name of the type"
          value={name.value}
          names={store.names.value}
          placeholder="Enter, then type a name"
          onInput={(text) => {
            name.value = text;
          }}
          onAccept={(label) => void merge(label)}
          handle={field}
        />
        <Button kind="primary" hotkey="Enter" onClick={() => void merge(name.value.trim())}>
          Merge
        </Button>
      </footer>
    </Dialog>
  );
}

/** Types and proposals, those first that the pairs say are most like the proposal. */
function useCandidates(proposal: string, pairs: MergePair[]): Candidate[] {
  const store = useStore();
  const snapshot = store.snapshot.value;
  const likeness = new Map<string, number>();
  const pictures = new Map<string, number[]>();
  for (const pair of pairs) {
    if (pair.a === proposal) likeness.set(pair.b, pair.likeness);
    if (pair.b === proposal) likeness.set(pair.a, pair.likeness);
    pictures.set(pair.a, pair.images_a).set(pair.b, pair.images_b);
  }
  const types = (snapshot?.types ?? []).map(
    (type): Candidate => ({
      key: `type ${type.label}`,
      title: type.label,
      detail: countImages(type.images),
      label: type.label,
      proposal: null,
      images: type.prototypes,
    }),
  );
  const proposals = (snapshot?.proposals ?? [])
    .filter((row) => row.id !== proposal && (row.status === "open" || row.status === "deferred"))
    .map(
      (row): Candidate => ({
        key: row.id,
        title: `Proposal ${row.number}`,
        detail: countImages(row.size),
        label: row.label,
        proposal: row.id,
        images: pictures.get(row.id) ?? row.exemplars,
      }),
    )
    .sort((a, b) => (likeness.get(b.key) ?? -1) - (likeness.get(a.key) ?? -1));
  const near = proposals.filter((one) => likeness.has(one.key));
  const far = proposals.filter((one) => !likeness.has(one.key));
  return [...near, ...types, ...far];
}
