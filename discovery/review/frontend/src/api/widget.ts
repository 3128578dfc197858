/** The notebook's transport: requests and answers are anywidget's custom messages. */
import { type ColumnHeader, makeColumn } from "./columns";
import {
  type Answer,
  type ColumnArray,
  type Columns,
  type Conflict,
  ConflictError,
  type ImageKind,
  type ImageOptions,
  RequestError,
  type ServerEvent,
  type Transport,
} from "./transport";

/** What anywidget hands to `render`, as far as it is used here. */
export interface WidgetModel {
  send(content: object): void;
  on(event: "msg:custom", handler: MessageHandler): void;
  off(event: "msg:custom", handler: MessageHandler): void;
}

type MessageHandler = (message: WidgetMessage, buffers: DataView[]) => void;

/** An answer bears the id of its request; an event has none. */
interface WidgetMessage {
  id?: number;
  json?: { columns?: ColumnHeader[] };
  error?: string;
  conflict?: Conflict;
  event?: ServerEvent;
}

interface Waiting {
  resolve(answer: Answer<never>): void;
  reject(error: Error): void;
}

const IMAGES_KEPT = 600;

/** A copy starts at 0, so that a column of 4-byte values may begin anywhere in a message. */
function copyBytes(view: DataView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
}

function readColumns(headers: ColumnHeader[], buffers: DataView[]): Columns {
  const columns: Record<string, ColumnArray> = {};
  headers.forEach((header, position) => {
    const view = buffers[position];
    if (view) columns[header.name] = makeColumn(header, copyBytes(view).buffer, 0);
  });
  return columns;
}

export class WidgetTransport implements Transport {
  private readonly waiting = new Map<number, Waiting>();
  private readonly handlers = new Set<(event: ServerEvent) => void>();
  private readonly images = new Map<string, Promise<string>>();
  private last = 0;

  constructor(private readonly model: WidgetModel) {
    model.on("msg:custom", this.receive);
  }

  async call<T>(method: string, args: object = {}): Promise<Answer<T>> {
    return (await this.request(method, args)) as Answer<T>;
  }

  imageUrl(index: number, kind: ImageKind, options: ImageOptions = {}): Promise<string> {
    const key = JSON.stringify([index, kind, options]);
    const known = this.images.get(key);
    if (known) {
      this.images.delete(key);
      this.images.set(key, known);
      return known;
    }
    const made = this.fetchImage({ index, kind, ...options });
    this.images.set(key, made);
    made.catch(() => this.images.delete(key));
    this.forgetOldImages();
    return made;
  }

  onEvent(handler: (event: ServerEvent) => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  close(): void {
    this.model.off("msg:custom", this.receive);
    this.handlers.clear();
    for (const url of this.images.values()) void url.then(URL.revokeObjectURL, () => undefined);
    this.images.clear();
  }

  private request(method: string, args: object): Promise<Answer<never>> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.model.send({ id, method, args });
    });
  }

  private async fetchImage(args: object): Promise<string> {
    const { columns } = await this.request("image", args);
    const bytes = columns["image"];
    if (!(bytes instanceof Uint8Array)) throw new RequestError("an image came without its bytes");
    return URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  }

  private forgetOldImages(): void {
    while (this.images.size > IMAGES_KEPT) {
      const [key, url] = this.images.entries().next().value as [string, Promise<string>];
      this.images.delete(key);
      void url.then(URL.revokeObjectURL, () => undefined);
    }
  }

  private readonly receive: MessageHandler = (message, buffers) => {
    if (message.event) {
      for (const handler of this.handlers) handler(message.event);
      return;
    }
    const waiting = message.id === undefined ? undefined : this.waiting.get(message.id);
    if (message.id === undefined || !waiting) return;
    this.waiting.delete(message.id);
    if (message.conflict) waiting.reject(new ConflictError(message.conflict));
    else if (message.error !== undefined) waiting.reject(new RequestError(message.error));
    else {
      const json = (message.json ?? {}) as never;
      waiting.resolve({ json, columns: readColumns(message.json?.columns ?? [], buffers) });
    }
  };
}
