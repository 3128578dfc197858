/** The review as the page knows it: what the server said last, and what is shown. */
import { batch, computed, signal } from "@preact/signals";
import type {
  Action,
  NextStep,
  Overview,
  ProposalRow,
  Screen,
  Selection,
  StateJson,
} from "../api/methods";
import {
  AccessError,
  ConnectionError,
  type Answer,
  type JobState,
  type ServerEvent,
  type Transport,
} from "../api/transport";
import type { MapView } from "../map/props";
import { describeChanges } from "./changes";
import { Decisions } from "./decisions";
import { type Filter, NO_FILTER } from "./filter";
import { uniqueNames } from "./names";
import { Settings } from "./settings";
import { Stopwatch } from "./stopwatch";

export interface Snapshot extends StateJson {
  /** Of each image: the place of its type in `types`, of its proposal in `proposals`, or -1. */
  label: Int32Array;
  proposal: Int32Array;
  /** 0 none, 1 cluster, 2 human */
  source: Uint8Array;
  /** 1 where a decision on the image itself holds, which none on a group changes. */
  held: Uint8Array;
}

/** What does not change during a review, one value an image. */
export interface Columns {
  x: Float32Array | null;
  y: Float32Array | null;
  copies: Int32Array;
}

export interface Message {
  text: string;
  kind: "done" | "error";
  /** Grows, so that the same text twice is told twice. */
  serial: number;
}

export interface Place {
  screen: Screen;
  proposal: string | null;
  type: string | null;
  /** Why this is shown next, in the server's words. */
  why: string;
}

export type Dialog =
  | { kind: "keys" }
  | { kind: "viewer"; images: ArrayLike<number>; at: number }
  | { kind: "look-alikes"; image: number }
  | { kind: "move"; images: number[]; selection: Selection; done: () => void }
  | { kind: "merge"; proposal: string }
  | { kind: "split"; proposal: string };

const FIRST: Place = { screen: "validate", proposal: null, type: null, why: "" };

export class ReviewStore {
  readonly overview = signal<Overview | null>(null);
  readonly snapshot = signal<Snapshot | null>(null);
  readonly columns = signal<Columns | null>(null);
  readonly place = signal<Place>(FIRST);
  readonly dialog = signal<Dialog | null>(null);
  readonly message = signal<Message | null>(null);
  readonly connected = signal(true);
  /** How often the server was there again. */
  readonly connections = signal(0);
  readonly denied = signal(false);
  readonly expectedRight = signal<number | null>(null);
  readonly job = signal<JobState | null>(null);
  /** The last thing that somebody else decided. */
  readonly others = signal("");
  readonly drawer = signal(false);
  readonly filter = signal<Filter>(NO_FILTER);
  /** Where the map looked when it was left. */
  mapView: MapView | null = null;
  readonly settings = new Settings();
  readonly watch = new Stopwatch();
  readonly decisions: Decisions;

  readonly names = computed(() =>
    uniqueNames(
      this.snapshot.value?.types.map((type) => type.label) ?? [],
      this.overview.value?.labels_known ?? [],
    ),
  );
  readonly proposals = computed(
    () => new Map(this.snapshot.value?.proposals.map((row) => [row.id, row]) ?? []),
  );
  private readonly forget: () => void;
  private refreshing: Promise<void> | null = null;
  /** From a decision's sending until its state is read: till then its revision may come as news. */
  private acting = false;

  constructor(readonly transport: Transport) {
    this.decisions = new Decisions(transport);
    this.forget = transport.onEvent(this.hear);
    document.addEventListener("visibilitychange", this.watchPage);
  }

  close(): void {
    this.forget();
    this.settings.close();
    document.removeEventListener("visibilitychange", this.watchPage);
  }

  async open(): Promise<void> {
    try {
      const overview = await this.call<Overview>("overview");
      await this.refresh();
      const first = this.snapshot.value?.proposals.find((row) => row.status === "open");
      if (first) this.go("validate", { proposal: first.id });
      this.overview.value = overview.json;
      await this.advance();
      const { columns } = await this.call("columns");
      this.columns.value = {
        x: (columns["x"] as Float32Array | undefined) ?? null,
        y: (columns["y"] as Float32Array | undefined) ?? null,
        copies: columns["copies"] as Int32Array,
      };
    } catch (error) {
      this.tellError(error);
    }
  }

  async call<T>(method: string, args: object = {}): Promise<Answer<T>> {
    try {
      return await this.transport.call<T>(method, args);
    } catch (error) {
      if (error instanceof AccessError) this.denied.value = true;
      if (error instanceof ConnectionError) this.connected.value = false;
      throw error;
    }
  }

  /** Reads the state; calls that come while one is under way share the next. */
  async refresh(): Promise<void> {
    this.refreshing ??= this.readState().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  /** Records a decision; true where it stands in the ledger now. */
  async act(action: Action, selection: Selection | null = null): Promise<boolean> {
    const snapshot = this.snapshot.value;
    if (!snapshot || this.decisions.pending.value) return false;
    const seconds = this.watch.seconds;
    this.acting = true;
    try {
      const acted = await this.decisions.send({
        action,
        seen: snapshot.revision,
        seconds,
        selection,
      });
      await this.refreshing;
      await this.refresh();
      if (!acted) return false;
      this.others.value = "";
      this.tell(acted.text);
      return true;
    } catch (error) {
      this.tellError(error);
      return false;
    } finally {
      this.acting = false;
    }
  }

  /** Goes where the evidence says a person should look next, if they did not go on meanwhile. */
  async advance(after: string | null = null): Promise<void> {
    const place = this.place.value;
    const dialog = this.dialog.value;
    try {
      const { json } = await this.call<NextStep>("next", after === null ? {} : { after });
      if (this.place.value !== place || this.dialog.value !== dialog) return;
      if (json.screen === "done") this.go("images", { why: json.why });
      else this.go(json.screen, { ...json });
    } catch (error) {
      this.tellError(error);
    }
  }

  go(screen: Screen, where: { proposal?: string; type?: string; why?: string } = {}): void {
    batch(() => {
      this.place.value = {
        screen,
        proposal: where.proposal ?? this.standing(this.place.value.proposal),
        type: where.type ?? this.place.value.type,
        why: where.why ?? "",
      };
      this.dialog.value = null;
      this.drawer.value = false;
    });
  }

  /** The proposal, or the next that is open where nothing is left of it. */
  private standing(id: string | null): string | null {
    const status = this.proposals.value.get(id ?? "")?.status;
    if (status !== undefined && status !== "split" && status !== "gone") return id;
    return (this.neighbour(id, 1) ?? this.neighbour(id, -1))?.id ?? id;
  }

  /** Clusters what is left again, in the background; the page stays usable. */
  async startRegroup(): Promise<void> {
    try {
      await this.call("start_regroup");
    } catch (error) {
      this.tellError(error);
    }
  }

  /** The proposal that stands `step` places from this one and is still to be decided. */
  neighbour(id: string | null, step: 1 | -1): ProposalRow | undefined {
    const rows = this.snapshot.value?.proposals ?? [];
    const open = (row: ProposalRow) => row.status === "open" || row.status === "deferred";
    const at = rows.findIndex((row) => row.id === id);
    const ordered = step === 1 ? rows.slice(at + 1) : rows.slice(0, Math.max(0, at)).reverse();
    return ordered.find(open);
  }

  tell(text: string, kind: Message["kind"] = "done"): void {
    this.message.value = { text, kind, serial: (this.message.value?.serial ?? 0) + 1 };
  }

  /** Shows what the server refused; what is a fault of the page goes on to the console as well. */
  tellError(error: unknown): void {
    if (error instanceof ConnectionError || error instanceof AccessError) return;
    this.tell(error instanceof Error ? error.message : String(error), "error");
    if (!(error instanceof Error) || error.constructor === TypeError) console.error(error);
  }

  private async readState(): Promise<void> {
    const { json, columns } = await this.call<StateJson>("state");
    this.expectedRight.value = json.progress.expected_right;
    this.snapshot.value = {
      ...json,
      label: columns["label"] as Int32Array,
      proposal: columns["proposal"] as Int32Array,
      source: columns["source"] as Uint8Array,
      held: columns["held"] as Uint8Array,
    };
  }

  private readonly watchPage = (): void => {
    if (document.hidden) this.watch.pause();
    else this.watch.resume();
  };

  private readonly hear = (event: ServerEvent): void => {
    if (event.denied) this.denied.value = true;
    if (event.connected !== undefined) this.hearConnection(event.connected);
    if (event.expected_right !== undefined) this.expectedRight.value = event.expected_right;
    if (event.job) this.hearJob(event.job);
    const known = this.snapshot.value?.revision;
    if (event.revision === undefined || known === undefined || event.revision <= known) return;
    // One's own decision is read by `act`.
    if (this.acting || this.decisions.pending.value) return;
    void this.readOthers().catch((error: unknown) => this.tellError(error));
  };

  private hearJob(job: JobState): void {
    this.job.value = job;
    if (job.status === "done") this.tell(job.text);
    if (job.status === "failed") this.tell(`${job.kind}: ${job.text}`, "error");
  }

  private async readOthers(): Promise<void> {
    const before = this.snapshot.value;
    await this.refresh();
    const after = this.snapshot.value;
    if (before && after && before.revision < after.revision) {
      this.others.value = describeChanges(before, after);
    }
  }

  private hearConnection(connected: boolean): void {
    const before = this.connected.value;
    this.connected.value = connected;
    if (!connected || before) return;
    this.denied.value = false;
    this.connections.value += 1;
    this.decisions.reconnected();
    if (this.overview.value) void this.refresh().catch((error: unknown) => this.tellError(error));
    else void this.open();
  }
}
