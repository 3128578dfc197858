/** How long a person looked before deciding; time with the page hidden does not count. */

export class Stopwatch {
  private started = 0;
  private counted = 0;
  private running = false;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Begins anew: something else is shown. */
  restart(): void {
    this.counted = 0;
    this.running = true;
    this.started = this.now();
  }

  pause(): void {
    if (!this.running) return;
    this.counted += this.now() - this.started;
    this.running = false;
  }

  resume(): void {
    if (this.running) return;
    this.running = true;
    this.started = this.now();
  }

  get seconds(): number {
    const open = this.running ? this.now() - this.started : 0;
    return Math.round((this.counted + open) / 100) / 10;
  }
}
