/** Builds the pages that the browser tests drive: one component each, without the review around. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  root: here,
  base: "./",
  build: {
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["map", "viewer", "wafer"].map((page) => `${here}${page}.html`) },
  },
});
