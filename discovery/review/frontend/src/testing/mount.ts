/** Mounts the whole page on a fake review, and presses keys as a person does. */
import { mountApp } from "../app";
import { FakeTransport } from "./fake";

export interface Mounted {
  root: HTMLElement;
  fake: FakeTransport;
  press(...keys: string[]): Promise<void>;
  type(text: string): Promise<void>;
  text(selector: string): string;
  unmount(): void;
}

/** Lets promises, effects and drawing run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setTimeout(resolve, 4));
}

/** "Shift+U" or "x". */
function makeEvent(name: string): KeyboardEvent {
  const shiftKey = name.startsWith("Shift+");
  const key = shiftKey ? name.slice("Shift+".length) : name;
  const digit = /^Digit\d$/.test(key) ? key : "";
  return new KeyboardEvent("keydown", {
    key: digit ? "!" : key === "Space" ? " " : key,
    code: digit,
    shiftKey,
    bubbles: true,
    cancelable: true,
  });
}

export async function mountFake(fake: FakeTransport = new FakeTransport()): Promise<Mounted> {
  const root = document.createElement("div");
  document.body.append(root);
  const unmountApp = mountApp(root, fake, document);
  await settle();
  return {
    root,
    fake,
    async press(...keys) {
      for (const key of keys) {
        (document.activeElement ?? document.body).dispatchEvent(makeEvent(key));
        await settle();
      }
    },
    async type(text) {
      const field = document.activeElement;
      if (!(field instanceof HTMLInputElement)) throw new Error("no field has the focus");
      field.value += text;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      await settle();
    },
    text: (selector) => root.querySelector(selector)?.textContent ?? "",
    unmount() {
      unmountApp();
      root.remove();
    },
  };
}
