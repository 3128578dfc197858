/** The viewer's keys. */
import type { ImageView } from "./view";

const PAN_SHARE = 0.15;

export interface KeyActions {
  step(by: 1 | -1): void;
  pan(dx: number, dy: number): void;
  zoomIn(): void;
  zoomOut(): void;
  fit(): void;
  actualSize(): void;
  heat(): void;
  blink(): void;
  beside(): void;
}

/** Does what a key asks for; false where it asks for nothing here. */
export function answerKey(event: KeyboardEvent, view: ImageView, actions: KeyActions): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { target } = event;
  const isSlider = target instanceof HTMLInputElement && target.type === "range";
  if (!isSlider && target instanceof Element && target.matches("input, textarea, select")) {
    return false;
  }
  // A slider keeps its arrows.
  return (!isSlider && answerArrow(event.key, view, actions)) || answerLetter(event.key, actions);
}

/** Arrows move an image that is larger than the pane, and go to the next one else. */
function answerArrow(key: string, view: ImageView, actions: KeyActions): boolean {
  const { overflows, paneWidth, paneHeight } = view;
  const side = key === "ArrowLeft" ? 1 : key === "ArrowRight" ? -1 : 0;
  const up = key === "ArrowUp" ? 1 : key === "ArrowDown" ? -1 : 0;
  if (side && overflows.x) actions.pan(side * PAN_SHARE * paneWidth, 0);
  else if (side) actions.step(side > 0 ? -1 : 1);
  else if (up) actions.pan(0, up * PAN_SHARE * paneHeight);
  else return false;
  return true;
}

function answerLetter(key: string, actions: KeyActions): boolean {
  const answers: Record<string, () => void> = {
    "+": actions.zoomIn,
    "=": actions.zoomIn,
    "-": actions.zoomOut,
    "0": actions.fit,
    "1": actions.actualSize,
    h: actions.heat,
    r: actions.blink,
    R: actions.beside,
    n: () => actions.step(1),
    p: () => actions.step(-1),
  };
  const answer = Object.hasOwn(answers, key) ? answers[key] : undefined;
  answer?.();
  return Boolean(answer);
}
