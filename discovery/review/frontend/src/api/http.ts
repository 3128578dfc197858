/** The page's transport: POST for a call, server-sent events, images by their address. */
import { decodeAnswer } from "./columns";
import { keepToken } from "./token";
import {
  AccessError,
  type Answer,
  type Conflict,
  ConflictError,
  ConnectionError,
  type ImageKind,
  type ImageOptions,
  RequestError,
  type ServerEvent,
  type Transport,
} from "./transport";

const RETRY_MS = 1000;
const FORBIDDEN = new Set([401, 403]);

interface Refusal {
  error?: string;
  conflict?: Conflict;
}

async function readRefusal(response: Response): Promise<Refusal> {
  try {
    return (await response.json()) as Refusal;
  } catch {
    return {};
  }
}

async function refuse(response: Response): Promise<never> {
  const refusal = await readRefusal(response);
  if (refusal.conflict) throw new ConflictError(refusal.conflict);
  const text = refusal.error ?? `${response.status} ${response.statusText}`;
  throw FORBIDDEN.has(response.status) ? new AccessError(text) : new RequestError(text);
}

export class HttpTransport implements Transport {
  private readonly handlers = new Set<(event: ServerEvent) => void>();
  private events: EventSource | undefined;
  private timer: number | undefined;
  private greeted: Promise<void> | undefined;

  constructor(
    private token: string,
    private readonly base: string = ".",
  ) {}

  async call<T>(method: string, args: object = {}): Promise<Answer<T>> {
    await this.greet();
    return this.post<T>(method, args);
  }

  async imageUrl(index: number, kind: ImageKind, options: ImageOptions = {}): Promise<string> {
    await this.greet();
    const query = new URLSearchParams(
      Object.entries(options).map(([name, value]) => [name, String(value)]),
    ).toString();
    return `${this.base}/image/${index}/${kind}${query ? `?${query}` : ""}`;
  }

  onEvent(handler: (event: ServerEvent) => void): () => void {
    this.handlers.add(handler);
    void this.listen();
    return () => this.handlers.delete(handler);
  }

  /** Speaks with a server that was started again, on the token it printed. */
  renew(token: string): void {
    this.token = token;
    this.greeted = undefined;
    window.clearTimeout(this.timer);
    this.events?.close();
    this.events = undefined;
    this.tell({ connected: false });
    void this.listen();
  }

  close(): void {
    this.handlers.clear();
    window.clearTimeout(this.timer);
    this.events?.close();
  }

  /** Trades the token for the cookie that images and events are fetched with. */
  private greet(): Promise<void> {
    this.greeted ??= this.post<{ token?: string }>("hello", {}).then(
      ({ json }) => {
        // The browser was opened with a token for one use: other users may see its arguments.
        if (json.token) {
          this.token = json.token;
          keepToken(json.token);
        }
      },
      (error: unknown) => {
        this.greeted = undefined;
        throw error;
      },
    );
    return this.greeted;
  }

  private async post<T>(method: string, args: object): Promise<Answer<T>> {
    let response: Response;
    let bytes: ArrayBuffer;
    try {
      response = await fetch(`${this.base}/api/${method}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Token": this.token },
        body: JSON.stringify(args),
      });
      if (!response.ok) return await refuse(response);
      bytes = await response.arrayBuffer();
    } catch (error) {
      // fetch says TypeError of every failure of the network.
      if (error instanceof TypeError) throw new ConnectionError("the server does not answer");
      throw error;
    }
    if (response.headers.get("Content-Type")?.startsWith("application/octet-stream")) {
      return decodeAnswer<T>(bytes);
    }
    return { json: JSON.parse(new TextDecoder().decode(bytes)) as T, columns: {} };
  }

  private async listen(): Promise<void> {
    if (this.events) return;
    try {
      await this.greet();
    } catch (error) {
      if (error instanceof AccessError) this.tell({ connected: false, denied: true });
      else this.retry();
      return;
    }
    if (this.events || this.handlers.size === 0) return;
    const events = new EventSource(`${this.base}/events`);
    this.events = events;
    events.onopen = () => this.tell({ connected: true });
    events.onmessage = (message: MessageEvent<string>) =>
      this.tell(JSON.parse(message.data) as ServerEvent);
    events.onerror = () => {
      events.close();
      this.events = undefined;
      this.retry();
    };
  }

  private retry(): void {
    this.tell({ connected: false });
    // A server that was started anew does not know the old cookie.
    this.greeted = undefined;
    this.timer = window.setTimeout(() => void this.listen(), RETRY_MS);
  }

  private tell(event: ServerEvent): void {
    for (const handler of this.handlers) handler(event);
  }
}
