/** The keys of a grid of images, the same on every screen. */
import type { Bindings } from "../keys/keys";
import type { GridModel } from "./grid";
import type { ReviewStore } from "./store";

export function gridKeys(
  model: GridModel,
  store: ReviewStore,
  onOpen?: (position: number) => void,
): Bindings {
  const last = () => model.images.value.length - 1;
  const keys: Bindings = {};
  // With shift, each way to move marks what lies between.
  for (const [name, extend] of [
    ["", false],
    ["Shift+", true],
  ] as const) {
    keys[`${name}ArrowLeft`] = () => model.move(-1, extend);
    keys[`${name}ArrowRight`] = () => model.move(1, extend);
    keys[`${name}ArrowUp`] = () => model.moveRow(-1, extend);
    keys[`${name}ArrowDown`] = () => model.moveRow(1, extend);
    keys[`${name}PageUp`] = () => model.movePage(-1, extend);
    keys[`${name}PageDown`] = () => model.movePage(1, extend);
    keys[`${name}Home`] = () => model.place(0, extend);
    keys[`${name}End`] = () => model.place(Math.max(0, last()), extend);
  }
  keys["Space"] = () => model.toggle();
  keys["x"] = () => model.toggle();
  keys["Ctrl+a"] = () => model.markAll();
  // With nothing marked the key is for what stands around: a dialog closes.
  if (model.marked.value.size > 0) keys["Escape"] = () => model.clear();
  keys["z"] = () => onOpen?.(model.cursor.value);
  keys["l"] = () => {
    const image = model.current.value;
    if (image !== undefined) store.dialog.value = { kind: "look-alikes", image };
  };
  keys["+"] = () => store.settings.resize(1);
  keys["-"] = () => store.settings.resize(-1);
  return keys;
}
