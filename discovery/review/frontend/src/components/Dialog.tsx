/** A dialog over the page: the browser keeps the focus inside and closes it with Escape. */
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { type Bindings, useKeys } from "../keys/keys";

interface Props {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  keys?: Bindings;
  onText?: (text: string) => void;
  wide?: boolean;
  role?: "dialog" | "alertdialog";
}

export function Dialog(props: Props) {
  const { title, children, onClose, keys = {}, onText, wide = false, role = "dialog" } = props;
  const id = useId();
  const box = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = box.current;
    if (!dialog) return;
    const before = document.activeElement;
    dialog.showModal();
    // The keys are heard where they arrive: no button is to be pressed by a first Enter.
    dialog.focus();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  useKeys({ Escape: onClose, ...keys }, { modal: true, ...(onText ? { onText } : {}) });
  return (
    <dialog
      ref={box}
      class={`dialog${wide ? " wide" : ""}`}
      role={role}
      aria-labelledby={`${id}-title`}
      tabIndex={-1}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === box.current) onClose();
      }}
    >
      <div class="dialog-body">
        <header>
          <h2 id={`${id}-title`}>{title}</h2>
          <button type="button" class="button quiet" onClick={onClose}>
            Close <kbd aria-hidden="true">Esc</kbd>
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
