import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Columns } from "../api/transport";
import { useStore } from "./context";

export interface Asked<T> {
  json: T | null;
  columns: Columns;
  loading: boolean;
}

/**
 * Asks when the arguments change, and shows the last answer until the next is there. An answer that
 * comes after a newer question is dropped. `again` asks the same anew; no arguments ask nothing.
 */
export function useAnswer<T>(method: string, args: object | null, again: unknown = 0): Asked<T> {
  const store = useStore();
  const asked = useSignal<Asked<T>>({ json: null, columns: {}, loading: args !== null });
  const key = args === null ? null : JSON.stringify(args);
  // A connection that broke and is there again answers what it left open.
  const connected = store.connected.value;
  useEffect(() => {
    if (key === null) {
      asked.value = { json: null, columns: {}, loading: false };
      return;
    }
    let current = true;
    asked.value = { ...asked.peek(), loading: true };
    store.call<T>(method, JSON.parse(key) as object).then(
      ({ json, columns }) => {
        if (current) asked.value = { json, columns, loading: false };
      },
      (error: unknown) => {
        if (!current) return;
        asked.value = { ...asked.peek(), loading: false };
        store.tellError(error);
      },
    );
    return () => {
      current = false;
    };
  }, [method, key, again, connected, store]);
  return asked.value;
}
