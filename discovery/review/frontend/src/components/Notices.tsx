/** What must not be missed: a lost server, a decision not acknowledged, a conflict, an answer. */
import { useEffect } from "preact/hooks";
import type { Action } from "../api/methods";
import { useStore } from "../state/context";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

const MESSAGE_MS = 6000;

export function describeAction(action: Action): string {
  switch (action.name) {
    case "accept":
      return `accept as ${action.label}`;
    case "move":
      return `move ${action.images.length} images to ${action.label}`;
    case "move_with_copies":
      return `move ${action.images.length} images to ${action.label}`;
    case "label_rest":
      return "label the rest";
    case "settle":
      return "confirm a page of doubt";
    case "rename":
      return `rename ${action.label} to ${action.to}`;
    case "merge_types":
      return `merge types into ${action.to}`;
    case "merge_proposals":
      return `merge proposals as ${action.label}`;
    case "grow":
      return `grow ${action.label}`;
    default:
      return action.name.replace("_", " ");
  }
}

export function Banner() {
  const store = useStore();
  const pending = store.decisions.pending.value;
  if (store.denied.value) {
    return (
      <p class="banner" role="alert">
        The server does not know this page: it was started again. Open the address that it printed.
      </p>
    );
  }
  if (store.connected.value && pending?.state !== "unacknowledged") return null;
  return (
    <p class="banner" role="alert">
      <span>
        {store.connected.value ? "Connected again." : "The server does not answer; trying again …"}
        {pending?.state === "unacknowledged" &&
          ` Not acknowledged yet: ${describeAction(pending.action)}.`}
      </span>
      {pending?.state === "unacknowledged" && (
        <Button onClick={() => store.decisions.dropPending()}>Drop it</Button>
      )}
    </p>
  );
}

/** The last answer; a region that is always there, so that readers announce what comes. */
export function MessageLine() {
  const store = useStore();
  const message = store.message.value;
  const others = store.others.value;
  const sending = store.decisions.pending.value?.state === "sending";
  useEffect(() => {
    if (!message || message.kind === "error") return;
    const timer = window.setTimeout(() => {
      if (store.message.value === message) store.message.value = null;
    }, MESSAGE_MS);
    return () => window.clearTimeout(timer);
  }, [message]);
  return (
    <div class="messages">
      <div role="status" class={`message ${message?.kind ?? ""}`}>
        {message && <span>{message.text}</span>}
        {message?.kind === "error" && (
          <Button
            kind="quiet"
            onClick={() => {
              store.message.value = null;
            }}
          >
            Close
          </Button>
        )}
      </div>
      {sending && <span class="sending">recording …</span>}
      {others !== "" && (
        <span class="others" role="status">
          Somebody else: {others}
        </span>
      )}
    </div>
  );
}

export function ConflictDialog() {
  const store = useStore();
  const found = store.decisions.conflict.value;
  if (!found) return null;
  const { conflict, action } = found;
  const close = () => {
    store.decisions.conflict.value = null;
  };
  const own = conflict.by === store.overview.value?.user;
  return (
    <Dialog
      title={own ? "Decided already, on another page of yours" : `${conflict.by} decided first`}
      role="alertdialog"
      onClose={close}
      keys={{ Enter: close }}
    >
      <p>
        {conflict.text}
        {conflict.at && <span class="muted"> ({conflict.at})</span>}
      </p>
      <p>
        Yours was not recorded: {describeAction(action)}. The page shows what holds now; decide
        again if you see it differently, or talk to each other.
      </p>
      <footer>
        <Button kind="primary" hotkey="Enter" onClick={close}>
          Show what holds now
        </Button>
      </footer>
    </Dialog>
  );
}
