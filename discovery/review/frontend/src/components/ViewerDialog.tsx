/** One image at full resolution, with all that is known of it. */
import { useSignal } from "@preact/signals";
import type { ImageInfo, Overview } from "../api/methods";
import { useStore } from "../state/context";
import { useAnswer } from "../state/useAnswer";
import type { ViewerInfo, ViewerProps } from "../viewer";
import { Dialog } from "./Dialog";
import { PictureRow } from "./PictureRow";
import { useMount } from "./useMount";

interface Props {
  images: ArrayLike<number>;
  at: number;
  onClose: () => void;
}

const BYTE_MAX = 255;

export function ViewerDialog({ images, at, onClose }: Props) {
  const store = useStore();
  const place = useSignal(at);
  const image = images[place.value] ?? 0;
  const revision = store.snapshot.value?.revision ?? 0;
  const asked = useAnswer<ImageInfo>("image_info", { image }, revision);
  const info = asked.json;
  const step = (by: number) => {
    place.value = Math.max(0, Math.min(images.length - 1, place.value + by));
  };
  const name = info?.path.split("/").at(-1) ?? `Image ${image + 1}`;
  const title = images.length > 1 ? `${name} (${place.value + 1} of ${images.length})` : name;
  return (
    <Dialog title={title} onClose={onClose} wide keys={{ z: onClose }}>
      <div class="viewer">
        {info?.fault && <p class="none">{info.fault}</p>}
        {info && !info.fault && (
          // While the next image is asked for the last one stays.
          <ViewerBox info={info} image={asked.loading ? null : image} onStep={step} />
        )}
        {info && <Facts info={info} />}
      </div>
    </Dialog>
  );
}

interface BoxProps {
  info: ImageInfo;
  image: number | null;
  onStep: (by: 1 | -1) => void;
}

const load = async () => (await import("../viewer")).mountViewer;

function ViewerBox({ info, image, onStep }: BoxProps) {
  const store = useStore();
  const overview = store.overview.value;
  const props: ViewerProps | null =
    overview && image !== null
      ? {
          index: image,
          info: describeImage(info, overview),
          dark: store.settings.dark,
          imageUrl: (index, kind, options) => store.transport.imageUrl(index, kind, options),
          onStep,
        }
      : null;
  return <div class="viewer-box" ref={useMount(load, props)} />;
}

function describeImage(info: ImageInfo, overview: Overview): ViewerInfo {
  return {
    title: info.path,
    width: info.width,
    height: info.height,
    bits: info.bits,
    low: info.low ?? 0,
    high: info.high ?? BYTE_MAX,
    lowest: info.lowest,
    highest: info.highest,
    box: info.box ?? null,
    umPerPixel: info.um_per_pixel,
    hasHeat: overview.has_heat,
    hasReference: overview.has_reference,
  };
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
            <dt title={name}>{name}</dt>
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
