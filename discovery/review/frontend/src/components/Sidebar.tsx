/** All proposals and all types, with the one numbering. */
import { memo } from "preact/compat";
import { useEffect, useRef } from "preact/hooks";
import type { ProposalRow, TypeRow } from "../api/methods";
import { useStore } from "../state/context";
import { formatCount } from "../state/facts";
import { NO_FILTER } from "../state/filter";
import { groupPaint } from "../state/palette";
import { Button } from "./Button";
import { Thumb } from "./Thumb";
import { TypeName } from "./TypeName";

export function Sidebar() {
  const store = useStore();
  const snapshot = store.snapshot.value;
  const place = store.place.value;
  const proposals = (snapshot?.proposals ?? []).filter((row) => row.status !== "gone");
  const open = proposals.filter((row) => row.status === "open").length;
  const current = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // Only the list itself is scrolled: scrollIntoView would move a notebook's page as well.
    const list = current.current;
    const row = list?.querySelector<HTMLElement>("[aria-current=true]");
    if (!list || !row) return;
    const above = row.offsetTop - list.offsetTop;
    if (above < list.scrollTop || above + row.offsetHeight > list.scrollTop + list.clientHeight) {
      list.scrollTop = above - list.clientHeight / 3;
    }
  }, [place.proposal, place.screen]);
  return (
    <nav class={`sidebar${store.drawer.value ? " open" : ""}`} aria-label="Proposals and types">
      <h2>
        Proposals <span class="muted">{open} open of {proposals.length}</span>
      </h2>
      <ul class="rows proposals" ref={current} tabIndex={-1}>
        {proposals.map((row) => (
          <li key={row.id}>
            <ProposalItem
              row={row}
              current={place.screen === "validate" && place.proposal === row.id}
              onChoose={() => store.go("validate", { proposal: row.id })}
            />
          </li>
        ))}
      </ul>
      <h2>
        Types <span class="muted">{snapshot?.types.length ?? 0}</span>
      </h2>
      <ul class="rows types-list" tabIndex={-1}>
        {snapshot?.types.map((type, at) => (
          <li key={type.label}>
            <TypeItem
              color={groupPaint(at)}
              type={type}
              onChoose={() => {
                store.filter.value = { ...NO_FILTER, type: type.label };
                store.go("images");
              }}
            />
          </li>
        ))}
      </ul>
      <Rest left={snapshot?.left ?? 0} />
    </nav>
  );
}

interface ProposalProps {
  row: ProposalRow;
  current: boolean;
  onChoose: () => void;
}

const ProposalItem = memo(
  function ProposalItem({ row, current, onChoose }: ProposalProps) {
    return (
      <button
        type="button"
        class={`row ${row.status}`}
        aria-current={current}
        title={row.label ?? undefined}
        onMouseDown={(event) => event.preventDefault()}
        onClick={onChoose}
      >
        <span class="number">{row.number}</span>
        {row.medoid !== null && <Thumb image={row.medoid} lazy />}
        <span class="row-name">
          {row.label === null ? describeStatus(row) : <TypeName label={row.label} />}
        </span>
        <span class="count">{formatCount(row.size)}</span>
      </button>
    );
  },
  (a, b) => a.row === b.row && a.current === b.current,
);

function describeStatus(row: ProposalRow): string {
  if (row.status !== "open") return row.status;
  return row.likely === null ? "" : `looks like ${row.likely}`;
}

interface TypeProps {
  type: TypeRow;
  color: string;
  onChoose: () => void;
}

function TypeItem({ type, color, onChoose }: TypeProps) {
  return (
    <button
      type="button"
      class="row"
      title={type.label}
      onMouseDown={(event) => event.preventDefault()}
      onClick={onChoose}
    >
      <span class="swatch" style={{ background: color }} />
      <span class="row-name">
        <TypeName label={type.label} />
      </span>
      <span class="count">{formatCount(type.images)}</span>
    </button>
  );
}

function Rest({ left }: { left: number }) {
  const store = useStore();
  const running = store.job.value?.status === "running";
  return (
    <div class="rest">
      <span>{formatCount(left)} left in no type</span>
      <Button
        hotkey="⇧C"
        disabled={running || left === 0}
        title="Cluster what is left again, finer"
        onClick={() => void store.startRegroup()}
      >
        Cluster again
      </Button>
    </div>
  );
}
