import { useEffect, useState } from "preact/hooks";
import { useStore } from "../state/context";

interface Props {
  image: number;
  /** How large it is drawn, in pixels of the page. */
  side?: number;
  lazy?: boolean;
}

const SMALL = 96;
const LARGEST = 256;
/** Few sizes, so that a picture that is there already serves again. */
const STEP = 32;

function chooseSize(side: number): number {
  const wanted = Math.ceil((side * window.devicePixelRatio) / STEP) * STEP;
  return Math.max(SMALL, Math.min(LARGEST, wanted));
}

/** A small picture of an image. It is decoration: what stands around it names the image. */
export function Thumb({ image, side = SMALL, lazy = false }: Props) {
  const { transport, connections } = useStore();
  const size = chooseSize(side);
  const [source, setSource] = useState<string | null>(null);
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let current = true;
    setSource(null);
    setFailed(false);
    transport.imageUrl(image, "thumb", { size }).then(
      (url) => current && setSource(url),
      () => current && setFailed(true),
    );
    return () => {
      current = false;
    };
  }, [transport, image, size, attempt]);
  const connected = connections.value;
  useEffect(() => {
    // What failed while the server was away is tried again when it is there.
    if (failed) setAttempt((before) => before + 1);
  }, [connected]);
  if (failed) return <span class="thumb failed">no picture</span>;
  if (source === null) return <span class="thumb" />;
  return (
    <img
      class="thumb"
      src={source}
      alt=""
      decoding="async"
      loading={lazy ? "lazy" : "eager"}
      draggable={false}
      onError={() => setFailed(true)}
    />
  );
}
