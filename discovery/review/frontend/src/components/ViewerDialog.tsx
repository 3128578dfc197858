/** One image at full resolution, with all that is known of it. */
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { ImageInfo } from "../api/methods";
import { useStore } from "../state/context";
import { useAnswer } from "../state/useAnswer";
import { Dialog } from "./Dialog";
import { PictureRow } from "./PictureRow";

interface Props {
  images: ArrayLike<number>;
  at: number;
  onClose: () => void;
}

export function ViewerDialog({ images, at, onClose }: Props) {
  const store = useStore();
  const place = useSignal(at);
  const image = images[place.value] ?? 0;
  const revision = store.snapshot.value?.revision ?? 0;
  const info = useAnswer<ImageInfo>("image_info", { image }, revision).json;
  const step = (by: number) => {
    place.value = Math.max(0, Math.min(images.length - 1, place.value + by));
  };
  return (
    <Dialog
      title={info?.path.split("/").at(-1) ?? `Image ${image + 1}`}
      onClose={onClose}
      wide
      keys={{ z: onClose, n: () => step(1), p: () => step(-1) }}
    >
      <div class="viewer">
        <ViewerBox image={image} />
        {info && <Facts info={info} />}
      </div>
    </Dialog>
  );
}

function ViewerBox({ image }: { image: number }) {
  const store = useStore();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void image;
    void store;
  }, [image]);
  return <div class="viewer-box" ref={box} />;
}

function Facts({ info }: { info: ImageInfo }) {
  const rows: [string, string][] = [
    ["Type", info.label ?? "none"],
    ["Decided", info.source || "not yet"],
    ["Size", `${info.width} × ${info.height}, ${info.bits} bits`],
    ...Object.entries(info.metadata).map(([name, value]): [string, string] => [
      name,
      String(value ?? "–"),
    ]),
    ["File", info.path],
    ["Id", info.id],
  ];
  return (
    <aside class="evidence" aria-label="About the image" tabIndex={0}>
      <dl class="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {info.copies.length > 0 && (
        <section>
          <h3>Near copies</h3>
          <PictureRow images={info.copies.slice(0, 12)} wrap />
        </section>
      )}
      {info.history.length > 0 && (
        <section>
          <h3>Decisions</h3>
          <ul class="history">
            {info.history.map((text, at) => (
              <li key={at}>{text}</li>
            ))}
          </ul>
        </section>
      )}
    </aside>
  );
}
