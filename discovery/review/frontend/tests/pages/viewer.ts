/** The viewer over the images of a server beside it, which says what they are. */
import "./pages.css";
import { type MountedViewer, mountViewer, type ViewerInfo } from "../../src/viewer";

const asked = new URLSearchParams(location.search);
const dark = asked.has("dark");
document.body.classList.toggle("dark", dark);
const infos = (await (await fetch("infos.json")).json()) as ViewerInfo[];

interface Seen {
  closed: number;
  index: number;
  asked: string[];
}
const seen: Seen = { closed: 0, index: Number(asked.get("image") ?? 0), asked: [] };

let viewer: MountedViewer | null = null;

function open(): void {
  viewer = mountViewer(document.getElementById("viewer")!, {
    index: seen.index,
    info: infos[seen.index]!,
    dark,
    imageUrl(index, kind, options = {}) {
      const query = new URLSearchParams(
        Object.entries(options).map(([name, value]) => [name, String(value)]),
      );
      seen.asked.push(`${kind}?${query.toString()}`);
      return `image/${index}/${kind}?${query.toString()}`;
    },
    onStep(step) {
      seen.index = (seen.index + step + infos.length) % infos.length;
      viewer?.update({ index: seen.index, info: infos[seen.index]! });
    },
    onClose() {
      seen.closed++;
      viewer?.destroy();
      viewer = null;
    },
  });
}

const button = document.createElement("button");
button.textContent = "Open";
button.addEventListener("click", open);
document.getElementById("viewer")!.before(button);
button.focus();

/** The longest time that the page did nothing else, in milliseconds. */
let longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
}).observe({ type: "longtask" });

/** The colour of a pixel of the first pane, at a place given in CSS pixels. */
function pixel(x: number, y: number): number[] {
  const canvas = document.querySelector("canvas")!;
  const ratio = canvas.width / canvas.clientWidth;
  const data = canvas.getContext("2d")!.getImageData(x * ratio, y * ratio, 1, 1).data;
  return [...data];
}

Object.assign(window, { seen, pixel, longest: () => longest, resetLongest: () => (longest = 0) });
