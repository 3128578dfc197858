/** What the two ways to draw the points have in common. */
import type { Points } from "./points";
import type { Camera } from "./view";

/** How much of itself a point keeps that is not selected where others are. */
export const UNSELECTED_ALPHA = 0.3;
/** Selected points are this much larger. */
export const SELECTED_GROWTH = 1.35;

export interface Renderer {
  /** Milliseconds that a frame may take while the map moves. */
  readonly target: number;
  /** Whether `draw` has drawn when it returns, so that its time is the frame's. */
  readonly isImmediate: boolean;
  /** @param ratio device pixels a CSS pixel */
  resize(width: number, height: number, ratio: number): void;
  setPoints(points: Points): void;
  /** Colours and flags changed, positions did not. */
  setStyle(points: Points): void;
  /** Draws the first `count` points. */
  draw(camera: Camera, radius: number, count: number): void;
  destroy(): void;
}
