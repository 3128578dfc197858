/** The dialogs that a key or a button opens. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { LookAlikes, Selection, SplitParts } from "../api/methods";
import { listKeys } from "../keys/list";
import { useStore } from "../state/context";
import { countImages, typeFacts } from "../state/facts";
import { GridModel } from "../state/grid";
import { useAnswer } from "../state/useAnswer";
import { Button, Key } from "./Button";
import { Dialog } from "./Dialog";
import { ImageGrid } from "./ImageGrid";
import { MergeDialog } from "./MergeDialog";
import { digitKeys, NameField, type NameFieldHandle, Suggestions } from "./NameField";
import { PictureRow } from "./PictureRow";
import { ViewerDialog } from "./ViewerDialog";

export function Dialogs() {
  const store = useStore();
  const dialog = store.dialog.value;
  const close = () => {
    store.dialog.value = null;
  };
  switch (dialog?.kind) {
    case "keys":
      return <KeysDialog onClose={close} />;
    case "viewer":
      return <ViewerDialog images={dialog.images} at={dialog.at} onClose={close} />;
    case "look-alikes":
      return <LookAlikesDialog image={dialog.image} onClose={close} />;
    case "move":
      return <MoveDialog {...dialog} onClose={close} />;
    case "merge":
      return <MergeDialog proposal={dialog.proposal} onClose={close} />;
    case "split":
      return <SplitDialog proposal={dialog.proposal} onClose={close} />;
    default:
      return null;
  }
}

interface Closes {
  onClose: () => void;
}

function KeysDialog({ onClose }: Closes) {
  const store = useStore();
  const groups = listKeys({
    hasHeat: store.overview.value?.has_heat ?? false,
    hasReference: store.overview.value?.has_reference ?? false,
    hasTypes: (store.snapshot.value?.types.length ?? 0) > 0,
  });
  return (
    <Dialog title="Keys" onClose={onClose} wide keys={{ "?": onClose }}>
      <div class="key-groups" tabIndex={0} role="region" aria-label="All keys">
        {groups.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.keys.map(([key, meaning]) => (
                <div key={key}>
                  <dt>
                    <Key name={key} />
                    <span class="hidden">{key}</span>
                  </dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

interface MoveProps extends Closes {
  images: number[];
  selection: Selection;
  done: () => void;
}

function MoveDialog({ images, selection, done, onClose }: MoveProps) {
  const store = useStore();
  const name = useSignal("");
  const field = useRef<NameFieldHandle>(null);
  useEffect(() => field.current?.focus(), []);
  const move = async (label: string) => {
    if (await store.act({ name: "move_with_copies", images, label }, selection)) {
      done();
      onClose();
    }
  };
  const names = store.names.value.slice(0, 9);
  return (
    <Dialog
      title={`Move ${countImages(images.length)} to …`}
      onClose={onClose}
      keys={digitKeys(names, (label) => void move(label))}
    >
      <PictureRow images={images.slice(0, 12)} wrap />
      <NameField
        label="Type"
        value={name.value}
        names={store.names.value}
        onInput={(text) => {
          name.value = text;
        }}
        onAccept={(label) => void move(label)}
        handle={field}
      />
      <Suggestions names={names} onTake={(label) => void move(label)} />
    </Dialog>
  );
}

const PART_SHOWN = 12;

function SplitDialog({ proposal, onClose }: Closes & { proposal: string }) {
  const store = useStore();
  // Each time it is split finer than what is shown.
  const beyond = useSignal<number | null>(null);
  const asked = useAnswer<SplitParts>("split", { proposal, beyond: beyond.value });
  const row = store.proposals.value.get(proposal);
  const parts = asked.json?.parts ?? [];
  const finer = () => {
    if (parts.length > 1) beyond.value = asked.json?.resolution ?? null;
  };
  const apply = async () => {
    if (parts.length < 2 || asked.loading) return;
    const selection = { kind: "levels", resolution: asked.json?.resolution };
    if (await store.act({ name: "split", proposal, parts }, selection)) {
      onClose();
      await store.advance(proposal);
    }
  };
  return (
    <Dialog
      title={`Split proposal ${row?.number ?? ""}`}
      onClose={onClose}
      keys={{ Enter: () => void apply(), s: finer }}
      wide
    >
      {asked.loading && <p>Looking for the next finer groups …</p>}
      {!asked.loading && parts.length < 2 && (
        <p>
          {beyond.value === null
            ? "It does not fall apart at any finer resolution."
            : "It does not fall apart any finer; Esc leaves it as it is."}
        </p>
      )}
      <div class="parts">
        {parts.map((part, at) => (
          <section key={at}>
            <h3>
              {row?.number}.{at + 1} <span class="muted">{countImages(part.length)}</span>
            </h3>
            <PictureRow images={part.slice(0, PART_SHOWN)} />
          </section>
        ))}
      </div>
      {parts.length > 1 && (
        <footer>
          <Button hotkey="s" onClick={finer}>
            Finer
          </Button>
          <Button kind="primary" hotkey="Enter" onClick={() => void apply()}>
            Split into {parts.length}
          </Button>
        </footer>
      )}
    </Dialog>
  );
}

const LOOK_ALIKES = 48;

function LookAlikesDialog({ image, onClose }: Closes & { image: number }) {
  const store = useStore();
  const model = useMemo(() => new GridModel("select"), []);
  const asked = useAnswer<LookAlikes>("look_alikes", { image, k: LOOK_ALIKES });
  const field = useRef<NameFieldHandle>(null);
  const name = useSignal("");
  useEffect(() => {
    if (asked.json) model.show([image, ...asked.json.images.filter((one) => one !== image)]);
  }, [asked.json]);
  const move = async (label: string) => {
    const selection = { kind: "look_alikes", image, k: LOOK_ALIKES };
    const images = model.chosen;
    if (await store.act({ name: "move_with_copies", images, label }, selection)) onClose();
  };
  const focus = () => field.current?.focus();
  const facts = typeFacts(store.snapshot.value);
  return (
    <Dialog
      title={`Look-alikes of image ${image + 1}`}
      onClose={onClose}
      wide
      keys={{ Enter: focus }}
      onText={(text) => {
        name.value = text;
        focus();
      }}
    >
      <div class="dialog-grid">
        <ImageGrid
          model={model}
          label="Look-alikes, nearest first"
          facts={(one) => (one === image ? { ...facts(one), badge: "this" } : facts(one))}
        />
      </div>
      <NameField
        label={`Name ${countImages(model.chosen.length)}`}
        value={name.value}
        names={store.names.value}
        placeholder="Enter, then type a name"
        onInput={(text) => {
          name.value = text;
        }}
        onAccept={(label) => void move(label)}
        handle={field}
      />
    </Dialog>
  );
}
