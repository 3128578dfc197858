import { defineConfig } from "vitest/config";

// Two builds go into one folder, which Python serves and packs: the page first, which empties it,
// then the notebook widget as one file, because a notebook fetches no second one.
const page = {
  outDir: "../page",
  emptyOutDir: true,
  modulePreload: { polyfill: false },
  // An image or a font as a data: address would need a wider Content-Security-Policy.
  assetsInlineLimit: 0,
  license: { fileName: "licenses.md" },
};
const widget = {
  outDir: "../page",
  emptyOutDir: false,
  cssCodeSplit: false,
  lib: {
    entry: "src/widget.tsx",
    formats: ["es" as const],
    fileName: () => "widget.js",
    cssFileName: "widget",
  },
  rolldownOptions: { output: { codeSplitting: false } },
};

export default defineConfig(({ mode }) => ({
  base: "./",
  build: mode === "widget" ? widget : page,
  define: mode === "widget" ? { "process.env.NODE_ENV": JSON.stringify("production") } : {},
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
}));
