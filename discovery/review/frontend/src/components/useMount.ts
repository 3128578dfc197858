/** Mounts a part that draws by itself into an element; its code is fetched when it is first shown. */
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useStore } from "../state/context";

interface Part<Props> {
  update(props: Partial<Props>): void;
  destroy(): void;
}

type Mount<Props> = (element: HTMLElement, props: Props) => Part<Props>;

/** `props` of null leave what is shown as it is. */
export function useMount<Props>(
  load: () => Promise<Mount<Props>>,
  props: Props | null,
): RefObject<HTMLDivElement | null> {
  const store = useStore();
  const box = useRef<HTMLDivElement>(null);
  const part = useRef<Part<Props> | null>(null);
  const latest = useRef(props);
  if (props) latest.current = props;
  useEffect(() => {
    let current = true;
    load().then(
      (mount) => {
        if (!current || !box.current || !latest.current) return;
        part.current = mount(box.current, latest.current);
      },
      (error: unknown) => store.tellError(error),
    );
    return () => {
      current = false;
      part.current?.destroy();
      part.current = null;
    };
  }, []);
  useEffect(() => {
    if (props) part.current?.update(props);
  });
  return box;
}
