import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Columns } from "../api/transport";
import { useStore } from "./context";

export interface Asked<T> {
  json: T | null;
  columns: Columns;
  loading: boolean;
  failed: boolean;
}

const NOTHING = { json: null, columns: {}, failed: false };

/**
 * Asks when the arguments change, and shows the last answer until the next is there. An answer that
 * comes after a newer question is dropped. `again` asks the same anew; no arguments ask nothing.
 */
export function useAnswer<T>(method: string, args: object | null, again: unknown = 0): Asked<T> {
  const store = useStore();
  const asked = useSignal<Asked<T>>({ ...NOTHING, loading: args !== null });
  const key = args === null ? null : JSON.stringify(args);
  const attempt = useSignal(0);
  const connected = store.connections.value;
  useEffect(() => {
    // Only what a lost connection left open is asked again: marks on the page stay.
    if (asked.peek().failed) attempt.value += 1;
  }, [connected]);
  useEffect(() => {
    if (key === null) {
      asked.value = { ...NOTHING, loading: false };
      return;
    }
    let current = true;
    asked.value = { ...asked.peek(), loading: true };
    store.call<T>(method, JSON.parse(key) as object).then(
      ({ json, columns }) => {
        if (current) asked.value = { json, columns, loading: false, failed: false };
      },
      (error: unknown) => {
        if (!current) return;
        asked.value = { ...asked.peek(), loading: false, failed: true };
        store.tellError(error);
      },
    );
    return () => {
      current = false;
    };
  }, [method, key, again, attempt.value, store]);
  return asked.value;
}
