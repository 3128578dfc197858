/** What the methods of the review take and give; images are positions, 0 to n - 1. */

export type Screen =
  | "validate"
  | "grow"
  | "doubt"
  | "merge"
  | "rest"
  | "types"
  | "map"
  | "images";
export type Status = "open" | "accepted" | "rejected" | "deferred" | "split" | "gone";

export interface LevelPosition {
  index: number;
  groups: number;
  resolution: number;
  stable: boolean;
}

export interface Overview {
  run: { path: string; id: string };
  n: number;
  user: string;
  labels_known: string[];
  um_per_pixel: number | null;
  metadata_columns: string[];
  has_map: boolean;
  has_heat: boolean;
  has_reference: boolean;
  levels: { positions: LevelPosition[]; current: number } | null;
  page_size: number;
}

export interface TypeRow {
  label: string;
  images: number;
  human: number;
  cluster: number;
  definition: string;
  prototypes: number[];
}

export interface ProposalRow {
  id: string;
  /** The one numbering that is shown everywhere; parts of a split are "3.1". */
  number: string | number;
  rank: number;
  size: number;
  status: Status;
  label: string | null;
  parent: string | null;
  medoid: number | null;
  exemplars: number[];
  cohesion: number | null;
  separation: number | null;
  stability: number | null;
  novelty: number | null;
  /** The type that the clustering of the rest matched its images with. */
  likely: string | null;
  nearest_known: string | null;
  associations: string;
}

export interface Progress {
  decisions: number;
  named: number;
  named_share: number;
  expected_right: number | null;
  seconds: number;
}

export interface StateJson {
  revision: number;
  progress: Progress;
  types: TypeRow[];
  proposals: ProposalRow[];
  undo: string | null;
  redo: string | null;
  left: number;
}

/** How the images of a decision were chosen. */
export type Selection = { kind: string } & Record<string, unknown>;

/** Images by label. */
export type Groups = Record<string, number[]>;

export type Action =
  | {
      name: "accept";
      proposal: string;
      label: string;
      shown: number[];
      thrown: number[];
      definition?: string;
    }
  | { name: "reject" | "defer"; proposal: string }
  | { name: "merge_proposals"; proposals: readonly string[]; label: string }
  | { name: "split"; proposal: string; parts: number[][] }
  | { name: "move"; images: number[]; label: string; as_group?: boolean }
  /** Near copies that nobody decided on go with them, as a group. */
  | { name: "move_with_copies"; images: number[]; label: string }
  | { name: "settle"; moves: Groups; copies: Groups; thrown: Groups }
  | { name: "exclude"; images: number[]; label: string }
  | { name: "release" | "discard"; images: number[] }
  | { name: "rename"; label: string; to: string; definition?: string }
  | { name: "merge_types"; labels: readonly string[]; to: string }
  | { name: "set_prototypes"; images: number[]; label: string; on: boolean }
  | { name: "grow"; label: string; cursor: unknown; thrown: number[] }
  | { name: "label_rest" | "undo" | "redo" };

export interface Acted {
  revision: number;
  text: string;
}

export interface NextStep {
  screen: "validate" | "grow" | "doubt" | "merge" | "rest" | "done";
  proposal?: string;
  type?: string;
  why: string;
}

export interface Validation {
  images: number[];
  /** For an image that is shown, its near copies that are not. */
  folded: Record<string, number[]>;
  medoid: number;
  exemplars: number[];
  suggestions: string[];
  nearest: { label: string; images: number[]; likeness: number } | null;
  warnings: string[];
}

export interface GrowPage {
  cursor: unknown;
  images: number[];
  from: number;
  to: number;
  of: number;
  done: boolean;
  take: number;
}

export interface DoubtPage {
  /** Those of one likely type side by side. */
  images: number[];
  current: (string | null)[];
  likely: string[];
  probability: number[];
  /** For an image that is shown, its near copies that are not. */
  folded?: Record<string, number[]>;
}

export interface RestPlan {
  /** What each type would get; some of its images stand for all. */
  types: { label: string; count: number; images: number[] }[];
  expected_right: number | null;
}

export interface MergePair {
  a: string;
  b: string;
  likeness: number;
  images_a: number[];
  images_b: number[];
}

export interface SplitParts {
  parts: number[][];
  resolution: number;
}

export interface LookAlikes {
  images: number[];
  distances: number[];
}

export interface ImageInfo {
  id: string;
  path: string;
  page: number;
  width: number;
  height: number;
  bits: number;
  low: number | null;
  high: number | null;
  /** The lowest and the highest level that the image has, where it can be read. */
  lowest?: number;
  highest?: number;
  um_per_pixel: number | null;
  /** The defect, in pixels of the image. */
  box?: { x: number; y: number; width: number; height: number } | null;
  /** Why the file cannot be read, where it cannot. */
  fault?: string | null;
  metadata: Record<string, string | number | null>;
  label: string | null;
  source: string;
  proposal: string | null;
  history: string[];
  copies: number[];
}

export interface Association {
  column: string;
  value: string;
  share_in: number;
  share_out: number;
  p: number | null;
  text: string;
}

export interface Evidence {
  associations: Association[];
  /** Why the group may be no defect: its images come nearly all from one tool. */
  warning: string;
  /** In radii of the wafer; the name of the signature, where it has one. */
  wafer: { x: number[]; y: number[]; inside: number[]; name?: string } | null;
  sizes: number[] | null;
}
