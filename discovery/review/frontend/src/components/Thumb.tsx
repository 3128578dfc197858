import { useEffect, useState } from "preact/hooks";
import { useStore } from "../state/context";

/** A small picture of an image. It is decoration: what stands around it names the image. */
export function Thumb({ image, lazy = false }: { image: number; lazy?: boolean }) {
  const { transport, connections } = useStore();
  const [source, setSource] = useState<string | null>(null);
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let current = true;
    setSource(null);
    setFailed(false);
    transport.imageUrl(image, "thumb").then(
      (url) => current && setSource(url),
      () => current && setFailed(true),
    );
    return () => {
      current = false;
    };
  }, [transport, image, attempt]);
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
