export { mountMap } from "./map";
export { colorGroups, COLORS, groupColor, groupRgb } from "./palette";
export type { MapLabel, MapProps, MapView, MountedMap, Polygon } from "./props";
