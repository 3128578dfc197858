/** The keyboard: what is shown last hears a key first, and a dialog keeps it from the rest. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { useApp } from "../state/context";

export type Bindings = Record<string, (event: KeyboardEvent) => void>;

const FIELDS = "input, textarea, select, [contenteditable]";
const SLIDER = "input[type=range]";
const MOVING = /^(Arrow|Page)|^(Home|End)$/;
const ACTIVE = "button, a[href], summary, [role=slider]";
const SCROLLED = "aside, .side, [role=region]";
const SCROLLING = /^(Arrow|Page)|^(Home|End| )$/;

/** "Enter", "Space", "ArrowLeft", "u", "Shift+U", "Ctrl+a", "Shift+Digit1". */
export function nameKey(event: KeyboardEvent): string {
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  // Shift turns a digit into a sign that depends on the keyboard; its place does not.
  if (event.shiftKey && event.code.startsWith("Digit")) return `${control}Shift+${event.code}`;
  const key = event.key === " " ? "Space" : event.key;
  const plain = key.length === 1 && key.toLowerCase() === key.toUpperCase();
  return control + (event.shiftKey && !plain ? "Shift+" : "") + key;
}

/** Whether the element under the focus wants the key for itself. */
function isTaken(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof Element)) return false;
  // A slider moves by the arrows and the like: letters are commands all the same.
  if (target.matches(SLIDER)) return MOVING.test(event.key);
  if (target.closest(FIELDS)) return true;
  if (SCROLLING.test(event.key) && target.closest(SCROLLED)) return true;
  const activates = event.key === "Enter" || event.key === " ";
  return activates && target.closest(ACTIVE) !== null;
}

interface Layer {
  bindings: Bindings;
  /** A letter or a sign that nothing is bound to. */
  onText: ((text: string) => void) | undefined;
  modal: boolean;
}

export class Keyboard {
  private readonly layers: Layer[] = [];

  constructor(private readonly target: EventTarget) {
    target.addEventListener("keydown", this.handle as EventListener);
  }

  close(): void {
    this.target.removeEventListener("keydown", this.handle as EventListener);
  }

  add(layer: Layer): () => void {
    this.layers.push(layer);
    return () => {
      this.layers.splice(this.layers.indexOf(layer), 1);
    };
  }

  readonly handle = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || event.isComposing || isTaken(event)) return;
    const key = nameKey(event);
    for (let at = this.layers.length - 1; at >= 0; at--) {
      const layer = this.layers[at] as Layer;
      const action = layer.bindings[key];
      if (action) {
        event.preventDefault();
        action(event);
        return;
      }
      if (layer.modal) return;
    }
    if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && event.key !== " ") {
      this.type(event);
    }
  };

  private type(event: KeyboardEvent): void {
    const layer = this.layers.findLast((one) => one.onText);
    if (!layer?.onText) return;
    event.preventDefault();
    layer.onText(event.key);
  }
}

/** Binds keys as long as the component is shown; the newest bindings hold. */
export function useKeys(
  bindings: Bindings,
  { modal = false, onText }: { modal?: boolean; onText?: (text: string) => void } = {},
): void {
  const { keyboard } = useApp();
  const layer = useRef<Layer | null>(null);
  const remove = useRef<() => void>(() => undefined);
  if (!layer.current) {
    // While rendering, because effects run from the inside out: a grid in a dialog must come to
    // lie above the dialog's own keys.
    layer.current = { bindings, onText, modal };
    remove.current = keyboard.add(layer.current);
  }
  layer.current.bindings = bindings;
  layer.current.onText = onText;
  // Not useEffect, which waits for a frame: what is gone before it would never be taken away.
  useLayoutEffect(() => () => remove.current(), []);
}
