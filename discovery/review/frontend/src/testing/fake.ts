/** A review in memory for unit tests: it answers as the server does, on a few made-up images. */
import type { Action, Overview, ProposalRow, StateJson, TypeRow } from "../api/methods";
import {
  type Answer,
  type Columns,
  ConflictError,
  ConnectionError,
  RequestError,
  type ServerEvent,
  type Transport,
} from "../api/transport";

export interface Call {
  method: string;
  args: Record<string, unknown>;
}

interface Ledger {
  action: Action;
  seconds: number | null;
  selection: unknown;
}

const EACH = 8;

export class FakeTransport implements Transport {
  readonly calls: Call[] = [];
  readonly ledger: Ledger[] = [];
  /** The next so many calls find nobody. */
  broken = 0;
  /** Answered instead of the next decision. */
  conflict: { text: string; by: string } | null = null;
  /** What this run has that the usual one here has not. */
  readonly has: Partial<Overview>;
  readonly label: Int32Array;
  readonly decidedAlone: Uint8Array;
  readonly proposal: Int32Array;
  readonly types: TypeRow[] = [];
  readonly proposals: ProposalRow[];
  private readonly handlers = new Set<(event: ServerEvent) => void>();

  constructor(count = 4, has: Partial<Overview> = {}) {
    this.has = has;
    this.proposals = Array.from({ length: count }, (_, at) => makeProposal(at));
    this.label = new Int32Array(count * EACH).fill(-1);
    this.decidedAlone = new Uint8Array(this.label.length);
    this.proposal = Int32Array.from(this.label, (_, image) => Math.floor(image / EACH));
  }

  async call<T>(method: string, args: object = {}): Promise<Answer<T>> {
    const given = args as Record<string, unknown>;
    this.calls.push({ method, args: given });
    if (this.broken > 0) {
      this.broken -= 1;
      throw new ConnectionError("the server does not answer");
    }
    const [json, columns] = this.answer(method, given);
    return { json: structuredClone(json) as T, columns };
  }

  async imageUrl(index: number): Promise<string> {
    return `data:image/png,${index}`;
  }

  onEvent(handler: (event: ServerEvent) => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  close(): void {
    this.handlers.clear();
  }

  tell(event: ServerEvent): void {
    for (const handler of this.handlers) handler(event);
  }

  private answer(method: string, args: Record<string, unknown>): [unknown, Columns] {
    switch (method) {
      case "overview":
        return [this.overview(), {}];
      case "state":
        return [
          this.state(),
          {
            label: this.label.slice(),
            proposal: this.proposal.slice(),
            source: new Uint8Array(this.label.length),
            held: this.decidedAlone.slice(),
          },
        ];
      case "columns":
        return [{}, { copies: new Int32Array(this.label.length).fill(-1) }];
      case "next":
        return [this.next(args["after"]), {}];
      case "validate":
        return [this.validate(args["proposal"] as string), {}];
      case "evidence":
        return [{ associations: [], warning: "", wafer: null, sizes: null }, {}];
      case "split":
        return [{ parts: [[0, 1], [2, 3]], resolution: 2 }, {}];
      case "merge_pairs":
        return [{ pairs: [] }, {}];
      case "act":
        return [this.act(args as unknown as Ledger), {}];
      default:
        throw new RequestError(`no method ${method}`);
    }
  }

  private overview(): object {
    return {
      run: { path: "run", id: "r1" },
      n: this.label.length,
      user: "anna",
      labels_known: ["defect/scratch", "defect/particle"],
      um_per_pixel: null,
      metadata_columns: [],
      has_map: false,
      has_heat: false,
      has_reference: false,
      levels: null,
      page_size: 60,
      ...this.has,
    };
  }

  private state(): StateJson {
    const last = this.ledger.at(-1);
    const named = this.label.filter((code) => code >= 0).length;
    return {
      revision: this.ledger.length,
      progress: {
        decisions: this.ledger.length,
        named,
        named_share: named / this.label.length,
        expected_right: null,
        seconds: 0,
      },
      types: this.types,
      proposals: this.proposals,
      undo: last ? last.action.name : null,
      redo: null,
      left: this.label.length - named,
    };
  }

  private next(after: unknown): object {
    const open = this.proposals.filter((row) => row.status === "open" && row.id !== after);
    const row = open.find((one) => one.id > String(after ?? "")) ?? open[0];
    return row
      ? { screen: "validate", proposal: row.id, why: "the largest that is open" }
      : { screen: "done", why: "all is decided" };
  }

  private validate(id: string): object {
    const at = this.proposals.findIndex((row) => row.id === id);
    const images = Array.from({ length: EACH }, (_, image) => at * EACH + image);
    return {
      images,
      folded: { [String(images[1])]: [images[2]] },
      medoid: images[0],
      exemplars: images.slice(0, 3),
      suggestions: ["defect/scratch", "defect/particle"],
      nearest: null,
      warnings: [],
    };
  }

  private act(entry: Ledger): object {
    if (this.conflict) {
      const conflict = { ...this.conflict, at: "10:00", revision: this.ledger.length };
      this.conflict = null;
      throw new ConflictError(conflict);
    }
    this.ledger.push(structuredClone(entry));
    const { action } = entry;
    if (action.name === "accept") this.accept(action.proposal, action.label, action.thrown);
    if (action.name === "reject") this.find(action.proposal).status = "rejected";
    return { revision: this.ledger.length, text: `${action.name} recorded` };
  }

  private accept(id: string, label: string, thrown: number[]): void {
    const row = this.find(id);
    row.status = "accepted";
    row.label = label;
    let code = this.types.findIndex((type) => type.label === label);
    if (code < 0) code = this.types.push(makeType(label)) - 1;
    const at = this.proposals.indexOf(row);
    this.proposal.forEach((one, image) => {
      if (one === at && !thrown.includes(image)) this.label[image] = code;
    });
  }

  private find(id: string): ProposalRow {
    const row = this.proposals.find((one) => one.id === id);
    if (!row) throw new RequestError(`no proposal ${id}`);
    return row;
  }
}

function makeType(label: string): TypeRow {
  return {
    label,
    images: 0,
    human: 0,
    cluster: 0,
    definition: "",
    prototypes: [],
  };
}

function makeProposal(at: number): ProposalRow {
  return {
    id: `p${at}`,
    number: String(at + 1),
    rank: at + 1,
    size: EACH,
    status: "open",
    label: null,
    parent: null,
    medoid: at * EACH,
    exemplars: [at * EACH],
    cohesion: 0.9,
    separation: 0.2,
    stability: 0.8,
    novelty: null,
    likely: null,
    nearest_known: null,
    associations: "",
  };
}
