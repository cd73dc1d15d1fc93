/** The waterfall: when each request, call, child run and piece of code ran, and what ran at once. */

import { h, set } from "./dom";
import { lanes, ticks, type Bar, type Lane } from "./lanes";
import type { Node, Store } from "./store";
import { count, duration } from "./words";

const LEFT = 126;
const RIGHT = 14;
const GAP = 5;
const AXIS = 14;
/** The most that a lane grows to, and what one bar takes at first. */
const HEIGHTS = { ask: [9, 9], call: [54, 4], run: [42, 7], code: [9, 9] } as const;
const INKS = { ask: "--accent", call: "--ok", run: "--child", code: "--dim" } as const;
/** Milliseconds between two layouts of a timeline of many bars. */
const AGAIN = 400;
const MANY = 1500;

interface Placed {
  lane: Lane;
  top: number;
  height: number;
}

export class Timeline {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { role: "img" });
  private readonly tip = h("div", { class: "tip", role: "presentation", hidden: true });
  private placed: Placed[] = [];
  private span = 1;
  private version = -1;
  private laidAt = 0;

  constructor(
    private readonly store: Store,
    private readonly choose: (node: Node) => void,
  ) {
    this.element = h("div", { class: "timeline" }, this.canvas, this.tip);
    this.canvas.addEventListener("mousemove", (event) => this.hover(event));
    this.canvas.addEventListener("mouseleave", () => (this.tip.hidden = true));
    this.canvas.addEventListener("click", (event) => {
      const bar = this.at(event);
      if (bar) this.choose(bar.node.kind === "ask" && bar.node.up ? bar.node.up : bar.node);
    });
  }

  paint(chosen: Node | null): void {
    const now = performance.now();
    if (this.version !== this.store.version && !(this.store.rows.size > MANY && now - this.laidAt < AGAIN)) {
      this.version = this.store.version;
      this.laidAt = now;
      this.lay();
    }
    this.span = this.store.span();
    this.draw(chosen);
  }

  /** True if it could not show the newest yet. */
  get late(): boolean {
    return this.version !== this.store.version;
  }

  private lay(): void {
    let top = 6;
    this.placed = lanes(this.store).map((lane) => {
      const [most, one] = HEIGHTS[lane.kind];
      const height = Math.min(most, Math.max(9, lane.slots * one));
      const placed = { lane, top, height };
      top += height + GAP;
      return placed;
    });
    this.element.hidden = !this.placed.length;
    this.canvas.style.height = `${top + AXIS}px`;
    const words = this.placed.map(({ lane }) => `${lane.name}: ${count(lane.bars.length, "bar")}${lane.slots > 1 ? `, up to ${lane.slots} at once` : ""}`);
    set(this.canvas, "aria-label", `Timeline of ${duration(this.store.span())}. ${words.join("; ")}.`);
  }

  private x(time: number, width: number): number {
    return LEFT + (time / this.span) * (width - LEFT - RIGHT);
  }

  private draw(chosen: Node | null): void {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const scale = window.devicePixelRatio || 1;
    if (!width || !height) return;
    const [w, hh] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== hh) [canvas.width, canvas.height] = [w, hh];
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const style = getComputedStyle(this.element);
    const ink = (name: string): string => style.getPropertyValue(name).trim() || "gray";
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `11px ${style.fontFamily}`;
    this.grid(pen, width, height, ink);
    for (const { lane, top, height: tall } of this.placed) {
      pen.fillStyle = ink("--dim");
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      const words = lane.slots > 1 ? `${lane.name}, ${lane.slots} wide` : lane.name;
      pen.fillText(words, 12, top + Math.min(tall, 14) / 2 + 0.5, LEFT - 18);
      this.bars(pen, lane, top, tall, width, ink, chosen);
    }
  }

  private grid(pen: CanvasRenderingContext2D, width: number, height: number, ink: (name: string) => string): void {
    const bottom = height - AXIS;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const time of [0, ...ticks(this.span, Math.max(2, Math.floor((width - LEFT) / 90)))]) {
      const x = Math.round(this.x(time, width)) + 0.5;
      pen.strokeStyle = ink("--line");
      pen.beginPath();
      pen.moveTo(x, 4);
      pen.lineTo(x, bottom);
      pen.stroke();
      pen.fillStyle = ink("--dim");
      const words = time === 0 ? "0" : Number.isInteger(time) ? duration(time).replace(".0 s", " s") : `${time.toFixed(1)} s`;
      if (x < width - RIGHT - 4 || time === 0) pen.fillText(words, x, bottom + 1);
    }
  }

  private bars(pen: CanvasRenderingContext2D, lane: Lane, top: number, tall: number, width: number, ink: (name: string) => string, chosen: Node | null): void {
    const each = tall / lane.slots;
    const thick = Math.max(each > 3 ? each - 1 : each, 0.6);
    const [usual, bad, memo, mark] = [ink(INKS[lane.kind]), ink("--bad"), ink("--warn"), ink("--fg")];
    for (const bar of lane.bars) {
      const from = this.x(bar.from, width);
      const to = this.x(bar.node.t1 == null && bar.node.state === "running" ? this.span : bar.to, width);
      const y = top + bar.slot * each;
      pen.fillStyle = bar.node.state === "failed" ? bad : bar.node.kind === "call" && bar.node.memo ? memo : usual;
      pen.globalAlpha = lane.kind === "code" ? 0.6 : bar.node.state === "running" ? 0.6 : bar.node.state === "unfinished" ? 0.35 : 1;
      pen.fillRect(from, y, Math.max(to - from, 1), thick);
      if (bar.node === chosen || (bar.node.kind === "ask" && bar.node.up === chosen)) {
        pen.globalAlpha = 1;
        pen.strokeStyle = mark;
        pen.strokeRect(from - 0.5, y - 0.5, Math.max(to - from, 1) + 1, thick + 1);
      }
    }
    pen.globalAlpha = 1;
  }

  private at(event: MouseEvent): Bar | undefined {
    const width = this.canvas.clientWidth;
    const [x, y] = [event.offsetX, event.offsetY];
    const placed = this.placed.find(({ top, height }) => y >= top - 2 && y <= top + height + 2);
    if (!placed || x < LEFT - 2) return undefined;
    const slot = Math.floor((y - placed.top) / (placed.height / placed.lane.slots));
    const near = placed.lane.bars.filter((bar) => x >= this.x(bar.from, width) - 2 && x <= this.x(bar.to, width) + 2);
    return near.sort((one, other) => Math.abs(one.slot - slot) - Math.abs(other.slot - slot))[0];
  }

  private hover(event: MouseEvent): void {
    const bar = this.at(event);
    this.canvas.style.cursor = bar ? "pointer" : "";
    this.tip.hidden = !bar;
    if (!bar) return;
    const { node } = bar;
    const name = node.kind === "step" ? `code of step ${node.no}` : node.kind === "ask" ? `${node.title}, step ${node.up?.no ?? ""}` : node.title;
    this.tip.textContent = `${name} · ${duration(Math.max(bar.to - bar.from, 0))}`;
    const left = Math.min(event.offsetX + 12, this.canvas.clientWidth - this.tip.offsetWidth - 6);
    this.tip.style.transform = `translate(${Math.max(left, 0)}px, ${event.offsetY - 26}px)`;
  }
}
