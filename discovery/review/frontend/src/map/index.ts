export { mountMap } from "./map";
export type { MapLabel, MapProps, MapView, MountedMap, Polygon } from "./props";
