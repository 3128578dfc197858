/** The types: what they are called, what is in them, and which are one. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { TypeRow } from "../api/methods";
import { Button } from "../components/Button";
import { NameField, type NameFieldHandle } from "../components/NameField";
import { PictureRow } from "../components/PictureRow";
import { ScreenHead } from "../components/ScreenHead";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countImages, formatCount, labelOf } from "../state/facts";
import { NO_FILTER } from "../state/filter";
import { groupPaint } from "../state/palette";

const MEMBERS_SHOWN = 24;

export function Types() {
  const store = useStore();
  const types = store.snapshot.value?.types ?? [];
  const at = useSignal(0);
  const marked = useSignal<ReadonlySet<string>>(new Set());
  const name = useSignal("");
  // A name that exists already: two types become one only when it is accepted twice.
  const asked = useSignal("");
  const field = useRef<NameFieldHandle>(null);
  const place = Math.min(at.value, Math.max(0, types.length - 1));
  const current = types[place];
  const chosen = types.filter((type) => marked.value.has(type.label));
  const merges = chosen.length > 1;

  const toggle = (label: string) => {
    const next = new Set(marked.value);
    if (!next.delete(label)) next.add(label);
    marked.value = next;
  };
  const rename = async (to: string) => {
    if (!current) return;
    const labels = chosen.map((type) => type.label);
    const isTaken = to !== current.label && types.some((type) => type.label === to);
    if (isTaken && !merges && asked.value !== to) {
      asked.value = to;
      field.current?.focus();
      return;
    }
    const done = merges
      ? await store.act({ name: "merge_types", labels, to })
      : isTaken
        ? await store.act({ name: "merge_types", labels: [current.label, to], to })
        : await store.act({ name: "rename", label: current.label, to });
    if (!done) return;
    marked.value = new Set();
    name.value = asked.value = "";
  };
  const members = () => {
    if (!current) return;
    store.filter.value = { ...NO_FILTER, type: current.label };
    store.go("images");
  };
  const focus = () => {
    name.value = merges ? (chosen[0]?.label ?? "") : (current?.label ?? "");
    field.current?.focus();
  };
  const step = (by: number) => {
    at.value = Math.max(0, Math.min(types.length - 1, place + by));
  };
  useKeys({
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Space: () => current && toggle(current.label),
    x: () => current && toggle(current.label),
    Enter: members,
    e: focus,
    F2: focus,
    m: focus,
    g: () => current && store.go("grow", { type: current.label }),
    Escape: () => {
      marked.value = new Set();
    },
  });
  if (!current) {
    return (
      <section class="screen empty">
        <p>No type has a name yet. Name a proposal first.</p>
      </section>
    );
  }
  return (
    <section class="screen types" aria-label="Types">
      <ScreenHead title="Types" detail={`${types.length}`} />
      <div class="decide">
        <NameField
          label={
            asked.value
              ? `${asked.value} exists: Enter again makes both one type`
              : merges
                ? `Merge ${chosen.length} types into`
                : `New name of ${current.label}`
          }
          value={name.value}
          names={store.names.value}
          placeholder="e, then type a name"
          onInput={(text) => {
            name.value = text;
            asked.value = "";
          }}
          onAccept={(to) => void rename(to)}
          handle={field}
        />
        <div class="tools">
          <Button hotkey="e" onClick={focus}>
            {merges ? "Merge" : "Rename"}
          </Button>
          <Button hotkey="Enter" onClick={members}>
            Members
          </Button>
          <Button hotkey="g" onClick={() => store.go("grow", { type: current.label })}>
            Grow
          </Button>
        </div>
      </div>
      <div class="work">
        <div class="pane scroll" tabIndex={0} role="region" aria-label="List of types">
          <TypeTable
            types={types}
            place={place}
            marked={marked.value}
            onPlace={(row) => {
              at.value = row;
            }}
            onToggle={toggle}
          />
        </div>
        <TypePanel type={current} />
      </div>
    </section>
  );
}

interface TableProps {
  types: TypeRow[];
  place: number;
  marked: ReadonlySet<string>;
  onPlace: (row: number) => void;
  onToggle: (label: string) => void;
}

function TypeTable({ types, place, marked, onPlace, onToggle }: TableProps) {
  return (
    <table class="type-table">
      <thead>
        <tr>
          <th scope="col">
            <span class="hidden">Selected</span>
          </th>
          <th scope="col">Type</th>
          <th scope="col">Images</th>
          <th scope="col">By a person</th>
          <th scope="col">With their group</th>
          <th scope="col">Prototypes</th>
        </tr>
      </thead>
      <tbody>
        {types.map((type, row) => (
          <tr
            key={type.label}
            class={row === place ? "current" : ""}
            aria-current={row === place}
            onClick={() => onPlace(row)}
          >
            <td>
              <input
                type="checkbox"
                aria-label={`Select ${type.label}`}
                checked={marked.has(type.label)}
                onChange={() => onToggle(type.label)}
              />
            </td>
            <th scope="row">
              <span class="swatch" style={{ background: groupPaint(row) }} /> {type.label}
            </th>
            <td>{formatCount(type.images)}</td>
            <td>{formatCount(type.human)}</td>
            <td>{formatCount(type.cluster)}</td>
            <td>{formatCount(type.prototypes.length)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function TypePanel({ type }: { type: TypeRow }) {
  const snapshot = useStore().snapshot.value;
  const members: number[] = [];
  for (let image = 0; snapshot && image < snapshot.label.length; image++) {
    if (labelOf(snapshot, image) === type.label) members.push(image);
    if (members.length >= MEMBERS_SHOWN) break;
  }
  return (
    <aside class="evidence" aria-label={`Type ${type.label}`} tabIndex={0}>
      <section>
        <h2>{type.label}</h2>
        <Definition key={type.label} type={type} />
      </section>
      {type.prototypes.length > 0 && (
        <section>
          <h2>Prototypes</h2>
          <PictureRow images={type.prototypes} wrap />
        </section>
      )}
      <section>
        <h2>{countImages(type.images)}</h2>
        <PictureRow images={members} wrap />
      </section>
    </aside>
  );
}

/** What the type means, for whoever labels after us; kept when the field is left. */
function Definition({ type }: { type: TypeRow }) {
  const store = useStore();
  const save = (field: HTMLTextAreaElement) => {
    const definition = field.value.trim();
    if (!definition || definition === type.definition) return;
    void store.act({ name: "rename", label: type.label, to: type.label, definition });
  };
  return (
    <label class="definition">
      Definition
      <textarea
        rows={3}
        defaultValue={type.definition}
        placeholder="What is of this type, and what is not"
        onBlur={(event) => save(event.currentTarget)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
    </label>
  );
}
