/** Pairs of proposals that are most likely one type, side by side. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { MergePair, ProposalRow } from "../api/methods";
import { Button } from "../components/Button";
import { digitKeys, NameField, type NameFieldHandle, Suggestions } from "../components/NameField";
import { PictureRow } from "../components/PictureRow";
import { ScreenHead } from "../components/ScreenHead";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countImages, formatScore } from "../state/facts";
import { uniqueNames } from "../state/names";
import { useAnswer } from "../state/useAnswer";

export function Merge() {
  const store = useStore();
  const at = useSignal(0);
  const revision = store.snapshot.value?.revision ?? 0;
  const asked = useAnswer<{ pairs: MergePair[] }>("merge_pairs", {}, revision);
  const rows = store.proposals.value;
  const pairs = (asked.json?.pairs ?? []).filter((pair) => rows.has(pair.a) && rows.has(pair.b));
  const pair = pairs[Math.min(at.value, pairs.length - 1)];
  if (!pair) {
    return (
      <section class="screen empty">
        <p>{asked.loading ? "Comparing proposals …" : "No two proposals look like one type."}</p>
        <Button onClick={() => void store.advance()}>What comes next</Button>
      </section>
    );
  }
  const step = (by: number) => {
    at.value = Math.max(0, Math.min(pairs.length - 1, at.value + by));
  };
  return (
    <OnePair
      key={`${pair.a} ${pair.b}`}
      loading={asked.loading}
      pair={pair}
      place={`${Math.min(at.value, pairs.length - 1) + 1} of ${pairs.length}`}
      onStep={step}
    />
  );
}

interface PairProps {
  pair: MergePair;
  loading: boolean;
  place: string;
  onStep: (by: number) => void;
}

function OnePair({ pair, loading, place, onStep }: PairProps) {
  const store = useStore();
  const field = useRef<NameFieldHandle>(null);
  const a = store.proposals.value.get(pair.a) as ProposalRow;
  const b = store.proposals.value.get(pair.b) as ProposalRow;
  const name = useSignal(a.label ?? b.label ?? "");
  useEffect(() => store.watch.restart(), []);
  const suggestions = uniqueNames([a.label ?? "", b.label ?? ""], store.names.value).slice(0, 9);
  const merge = (label: string) => {
    if (loading) return;
    if (label === "") {
      field.current?.focus();
      return;
    }
    const action = { name: "merge_proposals", proposals: [pair.a, pair.b], label } as const;
    void store.act(action, { kind: "pair", likeness: pair.likeness });
  };
  const take = (text: string) => {
    name.value = text;
  };
  useKeys(
    {
      ...digitKeys(suggestions, take),
      Enter: () => merge(name.value.trim()),
      n: () => onStep(1),
      p: () => onStep(-1),
    },
    {
      onText: (text) => {
        take(text);
        field.current?.focus();
      },
    },
  );
  return (
    <section class="screen merge" aria-label="Merge">
      <ScreenHead
        title={`Are ${a.number} and ${b.number} one type?`}
        detail={`pair ${place}, likeness ${formatScore(pair.likeness)}`}
        why={store.place.value.why}
      />
      <div class="decide">
        <NameField
          label="Name of the type"
          value={name.value}
          names={store.names.value}
          placeholder="Enter, then type a name"
          onInput={take}
          onAccept={merge}
          handle={field}
        />
        <Button kind="primary" hotkey="Enter" onClick={() => merge(name.value.trim())}>
          One type
        </Button>
        <Button hotkey="n" onClick={() => onStep(1)}>
          Not the same
        </Button>
        <Suggestions names={suggestions} onTake={take} />
      </div>
      <div class="pair">
        <Side row={a} images={pair.images_a} />
        <Side row={b} images={pair.images_b} />
      </div>
    </section>
  );
}

function Side({ row, images }: { row: ProposalRow; images: number[] }) {
  return (
    <section class="side" aria-label={`Proposal ${row.number}`} tabIndex={0}>
      <h2>
        {row.number} <span>{row.label ?? "no name yet"}</span> <span>{countImages(row.size)}</span>
      </h2>
      <PictureRow images={images} wrap />
    </section>
  );
}
