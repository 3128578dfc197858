/** How the front end speaks with Python: over HTTP in the page, over messages in a notebook. */

export type ColumnArray = Float32Array | Int32Array | Uint8Array;
export type Columns = Record<string, ColumnArray>;

export interface Answer<T = unknown> {
  json: T;
  columns: Columns;
}

export type ImageKind = "thumb" | "full" | "heat" | "reference";

/**
 * The grey levels that are shown as black and white, the page of a multi-page file, the part of an
 * image that is wanted; the longest side of a thumbnail.
 */
export interface ImageOptions {
  low?: number;
  high?: number;
  page?: number;
  size?: number;
  x0?: number;
  y0?: number;
  width?: number;
  height?: number;
}

export interface JobState {
  job: string;
  kind: string;
  status: "running" | "done" | "failed" | "cancelled";
  share: number;
  text: string;
}

/** What Python tells without being asked; `connected` and `denied` are the transport's own. */
export interface ServerEvent {
  revision?: number;
  job?: JobState;
  /** The share of the labels that is expected to be right; it lags a moment behind decisions. */
  expected_right?: number | null;
  connected?: boolean;
  /** The server is there, and does not know this page's token. */
  denied?: boolean;
}

export interface Transport {
  call<T = unknown>(method: string, args?: object): Promise<Answer<T>>;
  /** An address that an `<img>` can load; it may be fetched only now. */
  imageUrl(index: number, kind: ImageKind, options?: ImageOptions): Promise<string>;
  /** Calls `handler` with every event until the returned function is called. */
  onEvent(handler: (event: ServerEvent) => void): () => void;
  close(): void;
}

/** What another person decided behind the revision that was seen. */
export interface Conflict {
  text: string;
  by: string;
  at: string;
  revision: number;
}

/** The request was understood and refused; the text is for the user. */
export class RequestError extends Error {}

/** Nobody may be there: whether the request was carried out is not known. */
export class ConnectionError extends Error {}

/** The token is not (or no longer) the server's: it was started anew. */
export class AccessError extends Error {}

export class ConflictError extends Error {
  constructor(readonly conflict: Conflict) {
    super(conflict.text);
  }
}
