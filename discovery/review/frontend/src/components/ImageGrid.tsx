/** A grid of images of which only the rows on the screen exist, so that 100,000 scroll smoothly. */
import { useSignalEffect } from "@preact/signals";
import { memo } from "preact/compat";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import type { GridModel } from "../state/grid";
import { gridKeys } from "../state/gridKeys";
import { Thumb } from "./Thumb";
import { GAP, layOut, scrollFor, visibleRows } from "./window";

/** What is said of an image beside its picture. */
export interface CellFacts {
  /** Drawn in the corner: few letters. */
  badge?: string | undefined;
  /** "#rrggbb" of a stripe at the lower edge. */
  color?: string | undefined;
  /** Read aloud. */
  name: string;
}

interface Props {
  model: GridModel;
  label: string;
  facts: (image: number) => CellFacts;
  /** Whether the arrow keys are for this grid. */
  active?: boolean;
  onOpen?: (position: number) => void;
}

// Rows that fly past would each ask for pictures that nobody sees.
const SETTLE_MS = 90;
/** Round the grid's rows, as in its style. */
const PADDING = 4;

export function ImageGrid({ model, label, facts, active = true, onOpen }: Props) {
  const store = useStore();
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ width: 0, height: 0, top: 0, flying: false });
  const images = model.images.value;
  const marked = model.marked.value;
  const cursor = model.cursor.value;
  const layout = layOut(images.length, view.width, store.settings.cell);
  const [first, last] = visibleRows(layout, view.top, view.height);
  model.columns = layout.columns;
  model.rowsShown = Math.max(1, Math.floor(view.height / (layout.cell + GAP)));

  useKeys(active ? gridKeys(model, store, onOpen) : {});
  useSize(box, (width, height) => setView((old) => ({ ...old, width, height })));
  useScroll(box, (top, flying) => setView((old) => ({ ...old, top, flying })));
  useSignalEffect(() => {
    void model.images.value;
    if (box.current) box.current.scrollTop = 0;
  });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || view.height === 0) return;
    const row = Math.floor(cursor / layout.columns);
    const top = scrollFor(layout, row, element.scrollTop, view.height);
    if (top !== null) element.scrollTop = top;
  }, [cursor, layout.columns, layout.cell, view.height]);

  const rows = [];
  for (let row = first; row < last; row++) {
    const cells = [];
    const end = Math.min(images.length, (row + 1) * layout.columns);
    for (let at = row * layout.columns; at < end; at++) {
      const image = images[at] as number;
      cells.push(
        <Cell
          key={at}
          id={`${id}-${at}`}
          image={image}
          position={at}
          column={at - row * layout.columns}
          size={layout.cell}
          marked={marked.has(image)}
          current={at === cursor}
          mode={model.mode}
          flying={view.flying}
          {...facts(image)}
        />,
      );
    }
    const top = row * (layout.cell + GAP);
    rows.push(
      <div
        key={row}
        role="row"
        aria-rowindex={row + 1}
        class="grid-row"
        style={{ transform: `translateY(${top}px)` }}
      >
        {cells}
      </div>,
    );
  }
  const cursorRow = Math.floor(cursor / layout.columns);
  const isDrawn = images.length > 0 && cursorRow >= first && cursorRow < last;
  return (
    <div
      ref={box}
      class={`grid ${model.mode}${active ? " active" : ""}`}
      role="grid"
      aria-label={label}
      aria-multiselectable="true"
      aria-rowcount={layout.rows}
      aria-colcount={layout.columns}
      aria-activedescendant={isDrawn ? `${id}-${cursor}` : undefined}
      tabIndex={0}
      onClick={(event) => {
        const at = positionOf(event.target);
        if (at !== null) model.click(at, event);
      }}
      onDblClick={(event) => {
        const at = positionOf(event.target);
        if (at !== null) onOpen?.(at);
      }}
    >
      <div class="grid-body" role="rowgroup" style={{ height: `${layout.height}px` }}>
        {rows}
      </div>
    </div>
  );
}

interface CellProps extends CellFacts {
  id: string;
  image: number;
  position: number;
  column: number;
  size: number;
  marked: boolean;
  current: boolean;
  mode: "throw" | "select";
  flying: boolean;
}

const Cell = memo(function Cell(props: CellProps) {
  const { id, image, position, column, size, marked, current, mode, flying } = props;
  const state = marked ? (mode === "throw" ? ", thrown out" : ", selected") : "";
  return (
    <div
      id={id}
      role="gridcell"
      aria-colindex={column + 1}
      aria-selected={marked}
      aria-label={(props.badge ? `${props.badge}, ` : "") + props.name + state}
      data-position={position}
      class={`cell${marked ? " marked" : ""}${current ? " current" : ""}`}
      style={{ width: `${size}px`, height: `${size}px` }}
    >
      {!flying && <Thumb image={image} side={size} />}
      {props.badge && <span class="badge" aria-hidden="true">{props.badge}</span>}
      {props.color && <span class="stripe" style={{ background: props.color }} />}
    </div>
  );
});

function positionOf(target: EventTarget | null): number | null {
  const cell = target instanceof Element ? target.closest("[data-position]") : null;
  return cell instanceof HTMLElement ? Number(cell.dataset["position"]) : null;
}

type Box = { current: HTMLDivElement | null };

function useSize(box: Box, tell: (width: number, height: number) => void): void {
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => tell(element.clientWidth - 2 * PADDING, element.clientHeight);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
}

function useScroll(box: Box, tell: (top: number, flying: boolean) => void): void {
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let frame = 0;
    let timer = 0;
    let last = 0;
    const settle = () => {
      last = element.scrollTop;
      tell(last, false);
    };
    const draw = () => {
      frame = 0;
      const flying = Math.abs(element.scrollTop - last) > element.clientHeight;
      last = element.scrollTop;
      tell(last, flying);
      window.clearTimeout(timer);
      if (flying) timer = window.setTimeout(settle, SETTLE_MS);
    };
    const onScroll = () => {
      frame ||= requestAnimationFrame(draw);
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      element.removeEventListener("scroll", onScroll);
      cancelAnimationFrame(frame);
      window.clearTimeout(timer);
    };
  }, []);
}
