import assert from "node:assert/strict";
import { test } from "node:test";
import type { Delta, Patch, Snapshot } from "../src/protocol";
import { Store, type Node } from "../src/store";

const row = (id: string, up: string | null, more: Partial<Patch> = {}): Patch => ({ id, up, kind: "call", title: id, state: "running", t0: 0, ...more });
const delta = (seq: number, rows: Patch[], more: Partial<Delta> = {}): Delta => ({ type: "delta", seq, now: seq, state: "running", rows, ...more });
const plain = (store: Store): unknown => [...store.rows.values()].map((node: Node) => ({ ...node, up: node.up?.id ?? null, kids: node.kids.map((kid) => kid.id), asks: node.asks.map((ask) => ask.id) }));

const first = [row("r1", null, { kind: "run" }), row("r1s1", "r1", { kind: "step", no: 1 }), row("c1", "r1s1", { kind: "ask" }), row("b1", "r1s1", { kind: "batch" })];
const second = [row("c2", "b1"), row("c3", "b1"), { id: "c1", state: "done" as const, t1: 2 }];

test("deltas in order build the tree, requests apart from rows", () => {
  const store = new Store();
  assert.equal(store.push(delta(1, first)), "applied");
  assert.equal(store.push(delta(2, second)), "applied");
  assert.deepEqual(store.roots.map((node) => node.id), ["r1"]);
  assert.deepEqual(store.rows.get("r1s1")!.kids.map((node) => node.id), ["b1"]);
  assert.deepEqual(store.rows.get("r1s1")!.asks.map((node) => [node.id, node.state]), [["c1", "done"]]);
  assert.deepEqual(store.rows.get("b1")!.kids.map((node) => node.level), [4, 4]);
});

test("a missed message is seen, and a snapshot leads to the same rows", () => {
  const whole = new Store();
  whole.push(delta(1, first));
  whole.push(delta(2, second));
  whole.push(delta(3, [{ id: "c2", state: "done", t1: 3 }]));
  const late = new Store();
  late.push(delta(1, first));
  assert.equal(late.push(delta(3, [{ id: "c2", state: "done", t1: 3 }])), "gap");
  assert.equal(late.seq, 1);
  const [c1, c2] = [{ ...first[2]!, state: "done" as const, t1: 2 }, { ...second[0]!, state: "done" as const, t1: 3 }];
  const snapshot: Snapshot = { type: "snapshot", seq: 3, now: 3, state: "running", rows: [first[0]!, first[1]!, c1, first[3]!, c2, second[1]!] };
  assert.equal(late.load(snapshot), true);
  assert.deepEqual(plain(late), plain(whole));
  assert.equal(late.push(delta(3, [{ id: "c3", state: "failed" }])), "stale");
  assert.equal(late.push(delta(4, [{ id: "c3", state: "failed" }])), "applied");
});

test("an older snapshot does not undo what is known, and an empty one is none", () => {
  const store = new Store();
  store.push(delta(1, first));
  assert.equal(store.load({ seq: 0, rows: [] }), false);
  assert.equal(store.load({}), false);
  assert.equal(store.rows.size, 4);
});

test("what the model writes is joined, and begins anew at 0", () => {
  const store = new Store();
  store.push({ type: "stream", seq: 1, step: 1, at: 0, text: "I lo" });
  store.push({ type: "stream", seq: 2, step: 1, at: 4, text: "ok 🙂" });
  assert.deepEqual(store.writing, { step: 1, text: "I look 🙂" });
  store.push({ type: "stream", seq: 3, step: 2, at: 0, text: "x" });
  assert.deepEqual(store.writing, { step: 2, text: "x" });
});

test("time goes on by our own clock while the run does, and stands when it is over", () => {
  let clock = 1000;
  const store = new Store(() => clock);
  store.push(delta(1, [row("r1", null, { kind: "run" })], { now: 5, meters: { seconds: [2, null, 4] } }));
  clock += 2500;
  assert.equal(store.time(), 7.5);
  assert.equal(store.elapsed(), 5.5);
  store.push(delta(2, [{ id: "r1", state: "done", t1: 8 }], { now: 8, state: "done", meters: { seconds: [6, null, null] } }));
  clock += 9000;
  assert.equal(store.time(), 8);
  assert.equal(store.elapsed(), 6);
  assert.equal(store.span(), 8);
});
