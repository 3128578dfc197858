import { useEffect, useRef } from "preact/hooks";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { type Filter, NO_FILTER, type SourceFilter } from "../state/filter";

const SOURCE_NAMES: [SourceFilter, string][] = [
  ["any", "decided or not"],
  ["none", "in no type"],
  ["cluster", "named with their group"],
  ["human", "decided by a person"],
];
const TYPING_MS = 200;

export function FilterBar() {
  const store = useStore();
  const filter = store.filter.value;
  const search = useRef<HTMLInputElement>(null);
  const timer = useRef(0);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const set = (change: Partial<Filter>) => {
    store.filter.value = { ...store.filter.value, ...change };
  };
  const type = (change: Partial<Filter>) => {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => set(change), TYPING_MS);
  };
  useKeys({ "/": () => search.current?.focus() });
  const columns = store.overview.value?.metadata_columns ?? [];
  const isSet = JSON.stringify(filter) !== JSON.stringify(NO_FILTER);
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <Choice
        label="Type"
        value={filter.type}
        options={[["", "any"], ...names(store.snapshot.value?.types.map((row) => row.label))]}
        onChange={(value) => set({ type: value })}
      />
      <Choice
        label="Proposal"
        value={filter.proposal}
        options={[
          ["", "any"],
          ...(store.snapshot.value?.proposals.map(
            (row): [string, string] => [row.id, `${row.number} ${row.label ?? ""}`],
          ) ?? []),
        ]}
        onChange={(value) => set({ proposal: value })}
      />
      <Choice
        label="Decided"
        value={filter.source}
        options={SOURCE_NAMES}
        onChange={(value) => set({ source: value as SourceFilter })}
      />
      {columns.length > 0 && (
        <>
          <Choice
            label="Metadata"
            value={filter.column}
            options={[["", "any"], ...names(columns)]}
            onChange={(value) => set({ column: value, value: "" })}
          />
          {filter.column !== "" && (
            <label class="choice">
              is
              <input
                type="text"
                value={filter.value}
                onInput={(event) => type({ value: event.currentTarget.value.trim() })}
              />
            </label>
          )}
        </>
      )}
      <label class="choice">
        Name
        <input
          ref={search}
          type="search"
          value={filter.text}
          placeholder="/ part of a file name"
          onInput={(event) => type({ text: event.currentTarget.value.trim() })}
          onKeyDown={(event) => {
            if (event.key === "Escape" || event.key === "Enter") event.currentTarget.blur();
          }}
        />
      </label>
      {isSet && (
        <button type="button" class="button quiet" onClick={() => set(NO_FILTER)}>
          Show all
        </button>
      )}
    </form>
  );
}

function names(values: readonly string[] | undefined): [string, string][] {
  return (values ?? []).map((value) => [value, value]);
}

interface ChoiceProps {
  label: string;
  value: string;
  options: [string, string][];
  onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <label class="choice">
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
