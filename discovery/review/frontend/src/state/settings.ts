/** What a person set once for this browser: the theme and the size of the images. */
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const THEMES: readonly Theme[] = ["auto", "light", "dark"];
export const CELL_SIZES = [72, 96, 128, 168, 224] as const;
const FIRST_SIZE = 2;

/** A browser that keeps nothing (private, or a sandboxed frame) throws at the first touch. */
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It is then forgotten with the page, which is all that a person loses.
  }
}

export class Settings {
  readonly theme = signal<Theme>(
    THEMES.find((theme) => theme === read("review-theme")) ?? "auto",
  );
  readonly size = signal(readSize());
  /** What the system asks for. */
  readonly systemDark = signal(false);
  private readonly stop: (() => void)[] = [];

  constructor() {
    const wanted = window.matchMedia("(prefers-color-scheme: dark)");
    const listen = () => {
      this.systemDark.value = wanted.matches;
    };
    listen();
    wanted.addEventListener("change", listen);
    this.stop.push(() => wanted.removeEventListener("change", listen));
    this.stop.push(effect(() => write("review-theme", this.theme.value)));
    this.stop.push(effect(() => write("review-size", String(this.size.value))));
  }

  get dark(): boolean {
    const theme = this.theme.value;
    return theme === "auto" ? this.systemDark.value : theme === "dark";
  }

  get cell(): number {
    return CELL_SIZES[this.size.value] ?? CELL_SIZES[FIRST_SIZE];
  }

  nextTheme(): void {
    const at = THEMES.indexOf(this.theme.value);
    this.theme.value = THEMES[(at + 1) % THEMES.length] as Theme;
  }

  resize(step: number): void {
    this.size.value = Math.max(0, Math.min(CELL_SIZES.length - 1, this.size.value + step));
  }

  close(): void {
    for (const stop of this.stop) stop();
  }
}

function readSize(): number {
  const kept = Number(read("review-size") ?? FIRST_SIZE);
  return Number.isInteger(kept) && kept >= 0 && kept < CELL_SIZES.length ? kept : FIRST_SIZE;
}
