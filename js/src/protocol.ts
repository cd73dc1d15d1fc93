/** The messages between kernel and view; js/README.md describes them. Times are seconds since the run began. */

export type State = "running" | "paused" | "done" | "stopped" | "limit" | "failed" | "unfinished";
export type Kind = "run" | "step" | "batch" | "call" | "ask";
export type Action = "pause" | "resume" | "step" | "into" | "stop" | "approve" | "edit" | "skip" | "reject";

/** A row, or the fields of one that have changed. `kind` and `up` come with new rows only. */
export interface Patch {
  id: string;
  kind?: Kind;
  up?: string | null;
  title?: string;
  sub?: string;
  state?: State;
  /** Number of a step. */
  no?: number;
  t0?: number;
  t1?: number | null;
  /** Begin and end of a step's code. */
  x0?: number;
  x1?: number;
  in?: number;
  out?: number;
  /** Dollars; null if the price is not known. */
  cost?: number | null;
  /** Sub-calls under the row, and what became of them. */
  n?: number;
  done?: number;
  failed?: number;
  memo?: number;
  notes?: number;
  retries?: number;
  final?: boolean;
  extracted?: boolean;
}

export interface Head {
  run?: string;
  question?: string;
  model?: string;
  sub_model?: string;
  contexts?: string[];
}

export interface Meters {
  steps?: [number, number | null];
  calls?: [number, number | null];
  tokens?: [number, number | null];
  cost?: [number, number | null];
  /** Seconds before the last start, the limit, and since when the clock runs. */
  seconds?: [number, number | null, number | null];
  flight?: [number, number | null];
  unpriced?: number;
  input?: number;
  cached?: number;
  memo?: number;
}

export interface Pending {
  id: string;
  step: number;
  /** When it began to wait. */
  at: number;
  code: string;
  why: string;
}

export interface Delta {
  type: "delta";
  seq: number;
  now: number;
  state: State;
  rows: Patch[];
  meters?: Meters;
  pending?: Pending | null;
  head?: Head;
}

export interface Snapshot extends Omit<Delta, "type"> {
  type: "snapshot";
  stream?: { step: number; at: number; text: string };
}

export interface Stream {
  type: "stream";
  seq: number;
  step: number;
  at: number;
  text: string;
}

export interface Text {
  text: string;
  length: number;
  next: number | null;
}

export interface Sent {
  part: string;
  role: string;
  length: number;
  preview: string;
  new: boolean;
}

export type Block =
  | ({ kind: "code" | "text" | "traceback"; label: string; part: string; id?: string; prose?: boolean } & Text)
  | { kind: "image"; mime: string; data: string; label: string }
  | { kind: "html"; label: string; html: string; plain: string }
  | { kind: "error"; name: string; message: string; line?: number | null; interrupted: boolean }
  | { kind: "names"; label: string; items: [string, string, string][] }
  | { kind: "notes"; items: [string, string][] }
  | { kind: "facts"; items: [string, string][] }
  | { kind: "links"; label: string; items: [string, string, string][] }
  | { kind: "messages"; id: string; label: string; items: Sent[]; open: boolean };

export interface Detail extends Partial<Text> {
  type: "detail";
  id: string;
  part: string;
  at: number;
  blocks?: Block[];
}

export type FromKernel = Delta | Snapshot | Stream | Detail;

export type ToKernel =
  | { type: "sync"; seq: number }
  | { type: "detail"; id: string; part: string; at: number }
  | { type: "control"; action: Action; code?: string; reason?: string };
