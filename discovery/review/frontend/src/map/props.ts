/** What the map is given and what it tells. */

/** Corners in the coordinates of `x` and `y`. */
export type Polygon = [number, number][];

export interface MapLabel {
  text: string;
  x: number;
  y: number;
}

/** Where the map looks; `zoom` is 1 where all points fit. */
export interface MapView {
  x: number;
  y: number;
  zoom: number;
}

/** Arrays are compared by identity: hand over a new one where its content changed. */
export interface MapProps {
  /** Points whose position is not finite are not drawn. */
  x: Float32Array;
  y: Float32Array;
  /** Of each point an entry of `palette`. */
  color: Uint8Array;
  /** "#rrggbb" */
  palette: readonly string[];
  /** 1 for each point that is selected. */
  selected?: Uint8Array | null;
  /** Names of groups at their place; the first ones win where there is no room for all. */
  labels?: MapLabel[];
  dark?: boolean;
  /** "auto" takes WebGL2 where a graphics processor draws it, a canvas elsewhere. */
  renderer?: "auto" | "webgl2" | "canvas";
  /** The indices ascend; they are those that the polygon goes around. */
  onLasso(polygon: Polygon, indices: Int32Array): void;
  onHover(index: number | null, clientX: number, clientY: number): void;
  onPick(index: number): void;
  /** Where it looks at first; without it all points fit. */
  view?: MapView | null;
  /** It looks elsewhere now. */
  onView?(view: MapView): void;
}

export interface MountedMap {
  /** Shows other props; what is not named stays. */
  update(props: Partial<MapProps>): void;
  destroy(): void;
}
