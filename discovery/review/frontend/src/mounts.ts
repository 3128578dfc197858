/** How the page mounts the viewer of one image. */
import type { ImageKind, ImageOptions } from "./api/transport";

export interface Mounted<Props> {
  /** Shows other props; what is not named stays. */
  update(props: Partial<Props>): void;
  destroy(): void;
}

export type Mount<Props> = (element: HTMLElement, props: Props) => Mounted<Props>;

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

export type MountViewer = Mount<ViewerProps>;
