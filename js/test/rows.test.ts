import assert from "node:assert/strict";
import { test } from "node:test";
import { treeKey } from "../src/keys";
import { lanes, stack, ticks, type Bar } from "../src/lanes";
import { flatten, matching, type Choice } from "../src/outline";
import type { Patch } from "../src/protocol";
import { Store, type Node } from "../src/store";
import { range, reveal } from "../src/window";
import { duration, money, short } from "../src/words";

const row = (id: string, up: string | null, more: Partial<Patch>): Patch => ({ id, up, title: id, state: "done", t0: 0, t1: 1, ...more });
const choice = (more: Partial<Choice> = {}): Choice => ({ filter: "all", search: "", open: new Map(), ...more });

function run(calls = 20): Store {
  const store = new Store(() => 0);
  const rows: Patch[] = [row("r1", null, { kind: "run", t1: 100 }), row("r1s1", "r1", { kind: "step", no: 1, title: "look", t1: 2 }), row("r1s2", "r1", { kind: "step", no: 2, title: "ask", t0: 2, t1: 60 }), row("b1", "r1s2", { kind: "batch" })];
  for (let number = 1; number <= calls; number++) rows.push(row(`c${number}`, "b1", { kind: "call", t0: number, t1: number + (number === 7 ? 9 : 1), state: number === 5 ? "failed" : "done", cost: number === 3 ? 0.5 : 0.001 }));
  store.push({ type: "delta", seq: 1, now: 100, state: "done", rows, meters: { cost: [0.6, null] } });
  return store;
}

const ids = (store: Store, how: Choice): string[] => flatten(store, how).map((item) => item.node.id);

test("runs and steps stand open, a batch is closed until somebody opens it", () => {
  const store = run();
  assert.deepEqual(ids(store, choice()), ["r1", "r1s1", "r1s2", "b1"]);
  assert.equal(ids(store, choice({ open: new Map([["b1", true]]) })).length, 24);
  assert.deepEqual(ids(store, choice({ open: new Map([["r1", false]]) })), ["r1"]);
});

test("every row knows its place among its siblings", () => {
  const items = flatten(run(), choice());
  assert.deepEqual(items.map((item) => [item.node.level, item.posinset, item.setsize, item.expandable]), [[1, 1, 1, true], [2, 1, 2, false], [2, 2, 2, true], [3, 1, 1, true]]);
});

test("a filter shows what matches and all above it, open", () => {
  assert.deepEqual(ids(run(), choice({ filter: "failed" })), ["r1", "r1s2", "b1", "c5"]);
  assert.deepEqual(ids(run(), choice({ search: "LOOK" })), ["r1", "r1s1"]);
  assert.deepEqual(ids(run(), choice({ search: "nothing like it" })), []);
  assert.deepEqual(ids(run(), choice({ filter: "failed", search: "c5" })), ["r1", "r1s2", "b1", "c5"]);
});

test("slow and costly are what is much above the middle, not merely the top tenth", () => {
  const store = run();
  assert.deepEqual([...matching(store, "slow")!].map((node) => node.id), ["c7", "r1s2"]);
  assert.deepEqual([...matching(store, "costly")!].map((node) => node.id), ["c3"]);
});

test("the window holds what is seen and little more, at both ends and in a list of nothing", () => {
  assert.deepEqual(range(0, 300, 10_000, 24, 6), { first: 0, last: 19 });
  assert.deepEqual(range(120_000, 300, 10_000, 24, 6), { first: 4994, last: 5019 });
  assert.deepEqual(range(239_700, 300, 10_000, 24, 6), { first: 9981, last: 10_000 });
  assert.deepEqual(range(50, 300, 0, 24, 6), { first: 0, last: 0 });
  assert.deepEqual(range(99_999, 300, 3, 24, 6), { first: 2, last: 3 });
});

test("a row is scrolled to only if it is not seen", () => {
  assert.equal(reveal(5, 0, 240, 24), 0);
  assert.equal(reveal(20, 0, 240, 24), 264);
  assert.equal(reveal(2, 240, 240, 24), 48);
});

test("keys walk the tree as WAI-ARIA says", () => {
  const items = flatten(run(), choice());
  const key = (name: string, at: number): unknown => treeKey(name, items, at, 10);
  assert.deepEqual(key("ArrowDown", 0), { to: 1 });
  assert.deepEqual(key("ArrowDown", 3), { to: 3 });
  assert.deepEqual(key("ArrowUp", 0), { to: 0 });
  assert.deepEqual(key("End", 0), { to: 3 });
  assert.deepEqual(key("PageDown", 1), { to: 3 });
  assert.deepEqual(key("ArrowRight", 3), { open: 3 });
  assert.deepEqual(key("ArrowRight", 2), { to: 3 });
  assert.deepEqual(key("ArrowRight", 1), null);
  assert.deepEqual(key("ArrowLeft", 2), { close: 2 });
  assert.deepEqual(key("ArrowLeft", 3), { to: 2 });
  assert.deepEqual(key("Enter", 3), { open: 3 });
  assert.deepEqual(key("*", 1), { siblings: 1 });
  assert.deepEqual(key("q", 1), null);
  assert.deepEqual(treeKey("ArrowDown", items, -1, 10), { to: 0 });
  assert.deepEqual(treeKey("ArrowDown", [], -1, 10), null);
});

test("bars that run at once lie one above the other, and a free place is taken again", () => {
  const bar = (from: number, to: number): Bar => ({ node: {} as Node, from, to, slot: -1 });
  const bars = [bar(0, 10), bar(1, 3), bar(2, 9), bar(3, 4), bar(10, 11)];
  assert.equal(stack(bars), 3);
  assert.deepEqual(bars.map((each) => each.slot), [0, 1, 2, 1, 0]);
});

test("no two bars of one place overlap, whatever the times", () => {
  let seed = 7;
  const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const bars = Array.from({ length: 2000 }, () => { const from = random() * 100; return { node: {} as Node, from, to: from + random() * 5, slot: -1 }; });
  const places = stack(bars);
  const ends = new Array<number>(places).fill(-1);
  for (const each of bars) {
    assert.ok(each.from >= ends[each.slot]!);
    ends[each.slot] = each.to;
  }
});

test("lanes are those that have bars", () => {
  assert.deepEqual(lanes(run()).map((lane) => [lane.name, lane.bars.length]), [["sub-calls", 20]]);
});

test("the grid is of round times", () => {
  assert.deepEqual(ticks(53, 8), [10, 20, 30, 40, 50]);
  assert.deepEqual(ticks(0.4, 4), [0.1, 0.2, 0.30000000000000004, 0.4]);
});

test("figures read as in the static views", () => {
  assert.deepEqual([0.04, 9.94, 9.96, 59.6, 125, 3600, 4321].map(duration), ["0.0 s", "9.9 s", "10 s", "1 min", "2 min 5 s", "1 h 0 min", "1 h 12 min"]);
  assert.deepEqual([812, 4200, 41_000, 999_600, 1_300_000].map(short), ["812", "4.2k", "41k", "1.0M", "1.3M"]);
  assert.deepEqual([undefined, null, 0, 0.00001, 0.0042, 0.021, 0.21, 12.4].map(money), ["", "?", "$0", "<$.0001", "$.0042", "$.021", "$0.21", "$12.40"]);
});
