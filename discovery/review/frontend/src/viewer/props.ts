/** What the viewer of one image is given and what it asks for. */

export type PictureKind = "thumb" | "full" | "heat" | "reference";

/** The levels shown as black and white, and the part of the image that is wanted; the size of a thumb. */
export interface PictureOptions {
  low?: number;
  high?: number;
  size?: number;
  x0?: number;
  y0?: number;
  width?: number;
  height?: number;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface ViewerInfo {
  title: string;
  width: number;
  height: number;
  /** 8 bits are windowed here; of more, each window is asked for. */
  bits: number;
  /** The levels that are black and white at first, in the data's own units. */
  low: number;
  high: number;
  /** The image's own lowest and highest level, where they are known. */
  lowest?: number | undefined;
  highest?: number | undefined;
  umPerPixel: number | null;
  hasHeat: boolean;
  hasReference: boolean;
  /** The defect, in pixels of the image. */
  box?: Box | null;
  /** Names and values shown beside. */
  facts?: readonly (readonly [string, string])[];
}

export interface ViewerProps {
  index: number;
  info: ViewerInfo;
  dark?: boolean;
  /** An address that can be fetched, or the file itself. */
  imageUrl(
    index: number,
    kind: PictureKind,
    options?: PictureOptions,
  ): Promise<string | Blob> | string | Blob;
  /** The next (1) or previous (-1) image of the list it was opened from. */
  onStep?(step: 1 | -1): void;
  onClose?(): void;
}

export interface MountedViewer {
  /** Shows other props; what is not named stays. */
  update(props: Partial<ViewerProps>): void;
  destroy(): void;
}
