import type { MapProps } from "../map";
import { useMount } from "./useMount";

const load = async () => (await import("../map")).mountMap;

export function MapView(props: MapProps) {
  return <div class="map-box" ref={useMount(load, props)} />;
}
