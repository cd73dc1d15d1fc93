/** Which rows of a long list are drawn. No DOM here. */

export interface Range {
  first: number;
  last: number;
}

/** The rows that can be seen, and a few more so that a short scroll draws nothing; `last` is one past the end. */
export function range(scroll: number, height: number, count: number, row: number, more = 6): Range {
  const first = Math.max(0, Math.min(Math.floor(scroll / row) - more, count - 1));
  const last = Math.min(count, Math.ceil((scroll + height) / row) + more);
  return { first: Math.max(0, first), last: Math.max(0, last) };
}

/** Where to scroll so that a row is seen; the same place if it is. */
export function reveal(index: number, scroll: number, height: number, row: number): number {
  if (index * row < scroll) return index * row;
  if ((index + 1) * row > scroll + height) return Math.max(0, (index + 1) * row - height);
  return scroll;
}
