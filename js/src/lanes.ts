/** Where the bars of the timeline lie: what ran at the same time lies one above the other. No DOM here. */

import type { Node, Store } from "./store";

export interface Bar {
  node: Node;
  from: number;
  to: number;
  slot: number;
}

export interface Lane {
  name: string;
  kind: "ask" | "call" | "run" | "code";
  bars: Bar[];
  /** The most that ran at once. */
  slots: number;
}

/** The lanes that have anything in them. */
export function lanes(store: Store): Lane[] {
  const end = store.span();
  const asks: Bar[] = [];
  const calls: Bar[] = [];
  const runs: Bar[] = [];
  const code: Bar[] = [];
  const put = (bars: Bar[], node: Node, from: number, to: number | null | undefined): void => {
    bars.push({ node, from, to: Math.max(to ?? end, from), slot: 0 });
  };
  for (const node of store.rows.values()) {
    if (node.kind === "call") put(calls, node, node.t0, node.t1);
    else if (node.kind === "ask" && !node.up?.up?.up) put(asks, node, node.t0, node.t1);
    else if (node.kind === "run" && node.up) put(runs, node, node.t0, node.t1);
    else if (node.kind === "step" && node.x0 !== undefined && !node.up?.up) put(code, node, node.x0, node.x1 ?? node.t1);
  }
  const all: Lane[] = [
    { name: "root model", kind: "ask", bars: asks, slots: 1 },
    { name: "sub-calls", kind: "call", bars: calls, slots: 1 },
    { name: "child runs", kind: "run", bars: runs, slots: 1 },
    { name: "code", kind: "code", bars: code, slots: 1 },
  ];
  for (const lane of all) lane.slots = stack(lane.bars);
  return all.filter((lane) => lane.bars.length > 0);
}

/** Give each bar the lowest place that is free when it begins; gives how many places there are. */
export function stack(bars: Bar[]): number {
  const busy: Bar[] = [];
  const free: number[] = [];
  let places = 0;
  bars.sort((one, other) => one.from - other.from);
  for (const bar of bars) {
    while (busy[0] && busy[0].to <= bar.from) push(free, pop(busy, (each) => each.to)!.slot, (each) => each);
    bar.slot = free.length ? pop(free, (each) => each)! : places++;
    push(busy, bar, (each) => each.to);
  }
  return Math.max(places, 1);
}

function push<T>(heap: T[], value: T, weight: (value: T) => number): void {
  let at = heap.push(value) - 1;
  while (at > 0) {
    const up = (at - 1) >> 1;
    if (weight(heap[up]!) <= weight(value)) break;
    heap[at] = heap[up]!;
    at = up;
  }
  heap[at] = value;
}

function pop<T>(heap: T[], weight: (value: T) => number): T | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (heap.length && last !== undefined) {
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && weight(heap[down + 1]!) < weight(heap[down]!)) down++;
      if (weight(heap[down]!) >= weight(last)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
  }
  return first;
}

/** Round times for the grid: at most `most` of them, each a whole number of steps from 0. */
export function ticks(span: number, most: number): number[] {
  const rough = span / Math.max(most, 1);
  const sizes = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const step = sizes.find((size) => size >= rough) ?? rough;
  return Array.from({ length: Math.floor(span / step) }, (_, index) => (index + 1) * step);
}
