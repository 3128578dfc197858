/** What every component reaches: one review, however many are open in a notebook. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Keyboard } from "../keys/keys";
import type { ReviewStore } from "./store";

export interface App {
  store: ReviewStore;
  keyboard: Keyboard;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("a component of the review stands outside of it");
  return app;
}

export function useStore(): ReviewStore {
  return useApp().store;
}
