/** Sends decisions: one at a time, and each until the server acknowledged it. */
import { signal } from "@preact/signals";
import type { Acted, Action, Selection } from "../api/methods";
import {
  AccessError,
  type Conflict,
  ConflictError,
  ConnectionError,
  type Transport,
} from "../api/transport";

export interface Pending {
  action: Action;
  /** "unacknowledged": the connection broke, and nobody knows whether it was recorded. */
  state: "sending" | "unacknowledged";
}

export interface Decision {
  action: Action;
  seen: number;
  seconds: number | null;
  selection: Selection | null;
}

class Dropped extends Error {}

export class Decisions {
  readonly pending = signal<Pending | null>(null);
  readonly conflict = signal<{ conflict: Conflict; action: Action } | null>(null);
  private wake: (() => void) | undefined;
  private drop: (() => void) | undefined;

  constructor(private readonly transport: Transport) {}

  /** Resolves to what was recorded, or null where it was refused by a conflict or dropped. */
  async send(decision: Decision): Promise<Acted | null> {
    if (this.pending.value) return null;
    try {
      return await this.sendUntilAnswered(decision);
    } catch (error) {
      if (error instanceof Dropped) return null;
      if (!(error instanceof ConflictError)) throw error;
      this.conflict.value = { conflict: error.conflict, action: decision.action };
      return null;
    } finally {
      this.pending.value = null;
    }
  }

  /** The server is there again. */
  reconnected(): void {
    this.wake?.();
  }

  /** Gives up on what was not acknowledged. */
  dropPending(): void {
    this.drop?.();
  }

  // Sent again it cannot count twice: the revision it saw is then behind itself, which the
  // server answers with a conflict that says what was recorded.
  private async sendUntilAnswered(decision: Decision): Promise<Acted> {
    for (;;) {
      const state = this.pending.value?.state ?? "sending";
      this.pending.value = { action: decision.action, state };
      try {
        return (await this.transport.call<Acted>("act", decision)).json;
      } catch (error) {
        const isLost = error instanceof ConnectionError || error instanceof AccessError;
        if (!isLost) throw error;
        this.pending.value = { action: decision.action, state: "unacknowledged" };
        await this.untilReconnected();
      }
    }
  }

  private untilReconnected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.wake = resolve;
      this.drop = () => reject(new Dropped());
    });
  }
}
