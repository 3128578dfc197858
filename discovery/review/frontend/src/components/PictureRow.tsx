import { useStore } from "../state/context";
import { describeImage } from "../state/facts";
import { Thumb } from "./Thumb";

const PICTURE = 116;

/** A few images to look at; a click opens one. */
export function PictureRow({ images, wrap = false }: { images: number[]; wrap?: boolean }) {
  const store = useStore();
  const snapshot = store.snapshot.value;
  return (
    <div class={`picture-row${wrap ? " wrap" : ""}`}>
      {images.map((image, at) => (
        <button
          key={image}
          type="button"
          aria-label={describeImage(snapshot, image)}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => {
            store.dialog.value = { kind: "viewer", images, at };
          }}
        >
          <Thumb image={image} side={PICTURE} lazy />
        </button>
      ))}
    </div>
  );
}
