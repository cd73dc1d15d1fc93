/** The run as the view knows it: a fold of the kernel's messages. No DOM here. */

import type { Delta, Head, Kind, Meters, Patch, Pending, Snapshot, State, Stream } from "./protocol";

export interface Node extends Omit<Patch, "up" | "kind"> {
  kind: Kind;
  up: Node | null;
  level: number;
  title: string;
  state: State;
  t0: number;
  /** Rows under it in the tree. */
  kids: Node[];
  /** Requests to the root model; they have bars in the timeline, but no rows. */
  asks: Node[];
}

export type Verdict = "applied" | "stale" | "gap";

export class Store {
  rows = new Map<string, Node>();
  roots: Node[] = [];
  head: Head = {};
  meters: Meters = {};
  pending: Pending | null = null;
  state: State = "running";
  writing = { step: 0, text: "" };
  seq = 0;
  /** Grows when rows come; the list of rows must be laid out again. */
  shape = 0;
  /** Grows with every message. */
  version = 0;
  private now = 0;
  private heard = 0;

  constructor(private readonly clock: () => number = () => performance.now()) {
    this.heard = this.clock();
  }

  /** Fold a pushed message in. A gap means that one was missed: ask for a snapshot. */
  push(message: Delta | Stream): Verdict {
    if (message.seq <= this.seq) return "stale";
    if (message.seq !== this.seq + 1) return "gap";
    this.seq = message.seq;
    this.version++;
    if (message.type === "stream") {
      const begun = message.at === 0 ? "" : this.writing.text;
      this.writing = { step: message.step, text: begun + message.text };
    } else {
      this.take(message);
    }
    return "applied";
  }

  /** Replace everything by a snapshot, unless more is known already. */
  load(snapshot: Partial<Snapshot>): boolean {
    if (!snapshot.rows || (snapshot.seq ?? 0) < this.seq) return false;
    this.rows.clear();
    this.roots = [];
    this.seq = snapshot.seq ?? 0;
    this.version++;
    this.shape++;
    this.writing = { step: snapshot.stream?.step ?? 0, text: snapshot.stream?.text ?? "" };
    this.take(snapshot as Snapshot);
    return true;
  }

  /** Seconds since the run began, by the kernel's clock, carried on by ours while the run goes on. */
  time(): number {
    return this.state === "running" ? this.now + (this.clock() - this.heard) / 1000 : this.now;
  }

  /** The end of what there is to show. */
  span(): number {
    const root = this.roots[0];
    return Math.max(root?.t1 ?? this.time(), 0.001);
  }

  seconds(node: Node): number {
    return Math.max((node.t1 ?? this.time()) - node.t0, 0);
  }

  /** Seconds on the clock of the limit: pauses do not count. */
  elapsed(): number {
    const [before, , since] = this.meters.seconds ?? [0, null, null];
    return before + (since === null ? 0 : Math.max(this.time() - since, 0));
  }

  private take(message: Delta | Snapshot): void {
    this.now = message.now;
    this.heard = this.clock();
    this.state = message.state;
    for (const patch of message.rows) this.patch(patch);
    if (message.meters !== undefined) this.meters = message.meters;
    if (message.pending !== undefined) this.pending = message.pending;
    if (message.head !== undefined) this.head = message.head;
  }

  private patch(patch: Patch): void {
    const known = this.rows.get(patch.id);
    const { up: _up, kind: _kind, ...fields } = patch;
    if (known) {
      Object.assign(known, fields);
      return;
    }
    const up = patch.up ? (this.rows.get(patch.up) ?? null) : null;
    const node: Node = { kind: "call", title: "", state: "running", t0: 0, up, level: up ? up.level + 1 : 1, kids: [], asks: [], ...fields };
    node.kind = patch.kind ?? "call";
    this.rows.set(patch.id, node);
    if (node.kind === "ask" && up) up.asks.push(node);
    else if (up) up.kids.push(node);
    else this.roots.push(node);
    this.shape++;
  }
}
