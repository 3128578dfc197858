/** Puts the review into an element of a page or of a notebook. */
import { render } from "preact";
import type { Transport } from "./api/transport";
import "./styles/base.css";

/** Keys are taken from `keys`: the document of a page, the widget's own element in a notebook. */
export function mountApp(root: HTMLElement, transport: Transport, keys: EventTarget): () => void {
  root.classList.add("review");
  void keys;
  void transport.call("overview");
  render(<main />, root);
  return () => render(null, root);
}
