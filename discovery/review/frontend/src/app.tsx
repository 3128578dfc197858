/** Puts the review into an element of a page or of a notebook. */
import { render } from "preact";
import type { Transport } from "./api/transport";
import { Shell } from "./components/Shell";
import { Keyboard } from "./keys/keys";
import { AppContext } from "./state/context";
import { ReviewStore } from "./state/store";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/grid.css";
import "./styles/screens.css";

/** Keys are taken from `keys`: the document of a page, the widget's own element in a notebook. */
export function mountApp(root: HTMLElement, transport: Transport, keys: EventTarget): () => void {
  root.classList.add("review");
  const store = new ReviewStore(transport);
  const keyboard = new Keyboard(keys);
  render(
    <AppContext.Provider value={{ store, keyboard }}>
      <Shell />
    </AppContext.Provider>,
    root,
  );
  return () => {
    render(null, root);
    keyboard.close();
    store.close();
  };
}
