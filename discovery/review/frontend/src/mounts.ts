/** How the page mounts its two large parts, the map and the viewer of one image. */
import type { ImageKind, ImageOptions } from "./api/transport";

export interface Mounted<Props> {
  /** Shows other props; what is not named stays. */
  update(props: Partial<Props>): void;
  destroy(): void;
}

export type Mount<Props> = (element: HTMLElement, props: Props) => Mounted<Props>;

/** Corners in the coordinates of `x` and `y`. */
export type Polygon = [number, number][];

export interface MapProps {
  x: Float32Array;
  y: Float32Array;
  /** Of each point, an entry of `palette`. */
  color: Uint8Array;
  /** "#rrggbb" */
  palette: string[];
  /** 1 for each point that is selected. */
  selected: Uint8Array;
  /** 1 for each point that is drawn pale and cannot be picked; null shows all. */
  faded: Uint8Array | null;
  /** Names of groups, drawn as plain text at their place. */
  labels: { text: string; x: number; y: number }[];
  dark: boolean;
  onLasso(polygon: Polygon, indices: Int32Array): void;
  onHover(index: number | null): void;
  onPick(index: number): void;
}

export interface ViewerInfo {
  title: string;
  width: number;
  height: number;
  /** 8 or 16 */
  bits: number;
  /** The levels that are black and white at first, in the data's own units. */
  low: number;
  high: number;
  umPerPixel: number | null;
  pages: number;
  hasHeat: boolean;
  hasReference: boolean;
}

export interface ViewerProps {
  index: number;
  info: ViewerInfo;
  dark: boolean;
  imageUrl(index: number, kind: ImageKind, options?: ImageOptions): Promise<string>;
  /** The next (1) or previous (-1) image of the list it was opened from. */
  onStep(step: 1 | -1): void;
  onClose(): void;
}

export type MountMap = Mount<MapProps>;
export type MountViewer = Mount<ViewerProps>;
