/** The front-end half of rlm_kernel/views/widget.py, as anywidget wants it. */

import type { Delta, Detail, FromKernel, Snapshot, Stream, ToKernel } from "./protocol";
import { Store } from "./store";
import { View } from "./view";

interface Model {
  get(name: string): unknown;
  on(event: string, callback: (value: never) => void): void;
  off(event: string, callback: (value: never) => void): void;
  send(content: object): void;
}

/** Milliseconds to wait for a first message before asking for everything, and between two requests. */
const PATIENCE = 1500;
/** A snapshot comes as state and may be overtaken by the messages after it: how long those wait for it. */
const GRACE = 400;
const feeds = new WeakMap<Model, Feed>();

/** One run on the page, however many views it has. */
class Feed {
  readonly store = new Store();
  readonly views = new Set<View>();
  private asked = -Infinity;
  private heard = false;
  /** Messages that came before those that they follow. */
  private early: (Delta | Stream)[] = [];
  private sent = 0;
  private readonly name = crypto.randomUUID?.() ?? String(Math.random());

  constructor(private readonly model: Model) {
    model.on("msg:custom", (message: FromKernel) => this.take(message));
    model.on("change:snapshot", () => this.load(model.get("snapshot") as Partial<Snapshot>));
    this.load(model.get("snapshot") as Partial<Snapshot>);
    // A page that was loaded again has missed what was sent meanwhile.
    setTimeout(() => {
      if (!this.heard) this.sync();
    }, PATIENCE);
  }

  readonly send = (message: ToKernel): void => {
    this.model.send({ ...message, nonce: `${this.name}-${++this.sent}` });
  };

  private take(message: FromKernel): void {
    this.heard = true;
    switch (message.type) {
      case "snapshot":
        this.load(message);
        return;
      case "detail":
        for (const view of this.views) view.take(message as Detail);
        return;
      default:
        if (this.store.push(message) === "gap") this.wait(message);
        else if (this.early.length) this.catchUp();
        for (const view of this.views) view.kick();
    }
  }

  private load(snapshot: Partial<Snapshot> | undefined): void {
    if (!snapshot || !this.store.load(snapshot)) return;
    this.catchUp();
    for (const view of this.views) view.reloaded();
  }

  private wait(message: Delta | Stream): void {
    if (!this.early.length) setTimeout(() => this.early.length && this.sync(), GRACE);
    this.early.push(message);
  }

  private catchUp(): void {
    const waiting = this.early.sort((one, other) => one.seq - other.seq);
    this.early = waiting.filter((message) => this.store.push(message) === "gap");
  }

  private sync(): void {
    if (performance.now() - this.asked < PATIENCE) return;
    this.asked = performance.now();
    this.send({ type: "sync", seq: this.store.seq });
  }
}

function feed(model: Model): Feed {
  let known = feeds.get(model);
  if (!known) feeds.set(model, (known = new Feed(model)));
  return known;
}

function initialize({ model }: { model: Model }): void {
  feed(model);
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const { store, views, send } = feed(model);
  const view = new View(store, send);
  views.add(view);
  el.append(view.element);
  view.kick();
  return () => {
    views.delete(view);
    view.remove();
  };
}

export default { initialize, render };
