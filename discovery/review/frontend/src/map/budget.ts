/** How many points are drawn while the map moves, so that it follows the hand. */

const LEAST = 20_000;

export class DrawBudget {
  /** Points a moving frame may draw. */
  count: number;

  /**
   * @param total all points
   * @param target milliseconds that a moving frame may take
   */
  constructor(
    private readonly total: number,
    private readonly target: number,
  ) {
    this.count = total;
  }

  /** Learns what a frame of `count` points took. */
  report(milliseconds: number): void {
    if (milliseconds > this.target) {
      // One slow frame may be anything's fault, and comes back soon.
      const share = Math.max(0.1, this.target / milliseconds);
      this.count = Math.max(Math.min(LEAST, this.total), Math.floor(this.count * share));
    } else if (milliseconds < this.target / 2) {
      this.count = Math.min(this.total, Math.ceil(this.count * 1.25));
    }
  }
}
