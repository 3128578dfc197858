/** The elements of the viewer: a dialog of its own, or a part of one that is there already. */
import type { ViewerInfo } from "./props";
import type { ScaleBar } from "./scale_bar";

function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  kind: string,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  element.className = kind;
  return element;
}

export class Shell {
  readonly root = make("div", "viewer-root");
  /** Takes keys and pointers; holds the panes. */
  readonly stage = make("div", "viewer-stage");
  /** Where keys arrive. */
  readonly keys: HTMLElement;
  private readonly panes = make("div", "viewer-panes");
  private readonly title = make("h2", "viewer-title");
  private readonly message = make("div", "viewer-message");
  private readonly bar = make("div", "viewer-bar");
  private readonly barText = make("span", "viewer-bar-text");
  private readonly barLine = make("span", "viewer-bar-line");
  private readonly side = make("div", "viewer-side");
  private readonly facts = make("dl", "viewer-facts");
  private readonly dialog: HTMLDialogElement | null;
  private readonly before = document.activeElement;

  constructor(element: HTMLElement, onClose: (() => void) | undefined) {
    this.message.setAttribute("role", "status");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "group");
    this.bar.append(this.barText, this.barLine);
    this.stage.append(this.panes, this.bar, this.message);
    this.root.append(this.stage, this.side);
    const around = element.closest<HTMLElement>("dialog");
    this.dialog = around ? null : this.makeDialog(element, onClose);
    // Within another's dialog the controls lie above the image: beside it there are facts.
    this.root.classList.toggle("viewer-embedded", Boolean(around));
    if (around) element.append(this.root);
    this.keys = around ?? this.dialog ?? this.root;
    this.dialog?.showModal();
    if (this.dialog) this.stage.focus();
  }

  showInfo(info: ViewerInfo): void {
    this.title.textContent = info.title;
    this.stage.setAttribute("aria-label", `${info.title}, ${info.width} × ${info.height} pixels`);
    this.facts.replaceChildren(
      ...(info.facts ?? []).flatMap(([name, value]) => {
        const term = document.createElement("dt");
        const text = document.createElement("dd");
        term.textContent = name;
        text.textContent = value;
        return [term, text];
      }),
    );
  }

  setControls(controls: HTMLElement): void {
    this.side.replaceChildren(controls, this.facts);
  }

  setPanes(panes: readonly HTMLElement[]): void {
    this.panes.replaceChildren(...panes);
  }

  showScale(bar: ScaleBar | null): void {
    this.bar.classList.toggle("viewer-hidden", !bar);
    if (!bar) return;
    this.barText.textContent = bar.text;
    this.barLine.style.width = `${bar.pixels.toFixed(1)}px`;
  }

  say(text: string): void {
    this.message.textContent = text;
    this.message.classList.toggle("viewer-hidden", !text);
  }

  /** The focus goes back to where it was. */
  destroy(): void {
    this.dialog?.close();
    (this.dialog ?? this.root).remove();
    if (this.dialog && this.before instanceof HTMLElement) this.before.focus();
  }

  private makeDialog(element: HTMLElement, onClose: (() => void) | undefined): HTMLDialogElement {
    const dialog = make("dialog", "viewer-dialog");
    const head = make("header", "viewer-head");
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.title = "Back to the page (Escape)";
    close.addEventListener("click", () => onClose?.());
    dialog.setAttribute("aria-label", "Image");
    // The browser would close it before its owner knows.
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      onClose?.();
    });
    head.append(this.title, close);
    dialog.append(head, this.root);
    element.append(dialog);
    return dialog;
  }
}
