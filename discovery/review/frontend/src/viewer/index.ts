export { mountViewer } from "./viewer";
export type { Box, MountedViewer, PictureKind, PictureOptions, ViewerInfo, ViewerProps } from "./props";
