/** Lets the tables of a step's output through, and nothing that acts: no script, style, link, picture, form or frame. */

import createDOMPurify from "dompurify";

const TAGS = ["table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "b", "i", "em", "strong", "span", "div", "p", "br", "hr"];
TAGS.push("pre", "code", "sub", "sup", "ul", "ol", "li", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "small", "details", "summary");

/** A fragment of the markup with only the allowed tags, and of their attributes only those that shape a table. */
export function sanitise(html: string, window: Window & typeof globalThis = globalThis.window): DocumentFragment {
  const purify = createDOMPurify(window);
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["colspan", "rowspan", "scope"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}
