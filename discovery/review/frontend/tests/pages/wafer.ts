/** Three wafer maps: dies, places of defects, and very many of them. */
import "./pages.css";
import { mountWafer } from "../../src/wafer";

const dark = new URLSearchParams(location.search).has("dark");
document.body.classList.toggle("dark", dark);

let seed = 7;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}

function scatter(n: number): { x: number[]; y: number[]; inside: number[] } {
  const places = Array.from({ length: n }, (_, i) => {
    const inside = i % 9 === 0;
    const angle = inside ? 0.6 + 0.8 * random() : 2 * Math.PI * random();
    const radius = inside ? 0.85 + 0.1 * random() : Math.sqrt(random());
    return { x: radius * Math.cos(angle), y: radius * Math.sin(angle), inside: Number(inside) };
  });
  return {
    x: places.map((place) => place.x),
    y: places.map((place) => place.y),
    inside: places.map((place) => place.inside),
  };
}

const dies = { x: [] as number[], y: [] as number[], inside: [] as number[] };
for (let row = -6; row <= 6; row++) {
  for (let column = -6; column <= 6; column++) {
    if (Math.hypot(row, column) > 6.2) continue;
    dies.x.push(column * 10);
    dies.y.push(row * 10);
    dies.inside.push(Number(row > 3 && column < 0));
  }
}
const main = document.getElementById("wafer")!;
mountWafer(main, { ...dies, dark });
mountWafer(main, { ...scatter(300), diameter: 2, dark });
mountWafer(main, { ...scatter(50000), diameter: 2, dark });
