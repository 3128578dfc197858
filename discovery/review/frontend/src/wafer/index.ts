export { mountWafer } from "./wafer";
export type { MountedWafer, WaferProps } from "./wafer";
