/** The map inside a component. Its code is fetched when it is first shown. */
import { useEffect, useRef } from "preact/hooks";
import type { MapProps, MountedMap } from "../map";
import { useStore } from "../state/context";

export function MapView(props: MapProps) {
  const store = useStore();
  const box = useRef<HTMLDivElement>(null);
  const mounted = useRef<MountedMap | null>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    let current = true;
    import("../map").then(
      ({ mountMap }) => {
        if (current && box.current) mounted.current = mountMap(box.current, latest.current);
      },
      (error: unknown) => store.tellError(error),
    );
    return () => {
      current = false;
      mounted.current?.destroy();
      mounted.current = null;
    };
  }, []);
  useEffect(() => mounted.current?.update(latest.current));
  return <div class="map-box" ref={box} />;
}
