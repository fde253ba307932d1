// Router versions: a small chart of accuracy over versions, and the same as a table.

import { count, digest, el, percent, svg, table, time } from "./elements.js";

const HEIGHT = 190;
const NEWEST_SHOWN = 5;
const MARGIN = { top: 14, right: 16, bottom: 30, left: 52 };

/** The section's content for a width in pixels. */
export function routers({ routers: versions }, width) {
  if (!versions.length) return el("p", { class: "empty" }, "No router yet.");
  const tried = versions.filter((router) => router.balanced_accuracy !== null);
  const heads = [
    { title: "Version" }, { title: "Accuracy", number: true }, { title: "Prompts", number: true },
    { title: "Sum" }, { title: "Published" },
  ];
  const rows = versions.toReversed().map((router) => [
    String(router.version),
    router.balanced_accuracy === null ? null : percent(router.balanced_accuracy),
    router.prompts === null ? null : count(router.prompts),
    digest(router.sum_digest),
    time(router.published),
  ]);
  const older = rows.slice(NEWEST_SHOWN);
  return [
    tried.length > 1 ? chart(tried, width) : null,
    table("The newest router versions", heads, rows.slice(0, NEWEST_SHOWN), "compact"),
    older.length ? el("details", {}, el("summary", {}, `${older.length} older`), table("Older router versions", heads, older, "compact")) : null,
  ];
}

function chart(tried, width) {
  const inner = { width: Math.max(width - MARGIN.left - MARGIN.right, 60), height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const lowest = Math.min(...tried.map((router) => router.balanced_accuracy));
  const floor = Math.max(0, Math.floor(lowest * 10 - 0.5) / 10);
  const x = (place) => MARGIN.left + (tried.length === 1 ? 0.5 : place / (tried.length - 1)) * inner.width;
  const y = (accuracy) => MARGIN.top + (1 - (accuracy - floor) / (1 - floor)) * inner.height;
  const points = tried.map((router, place) => [x(place), y(router.balanced_accuracy)]);
  const line = points.map(([px, py], place) => `${place ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
  const base = MARGIN.top + inner.height;
  const last = tried.at(-1);
  return el("figure", {},
    svg("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": spoken(tried) },
      gridlines(floor).map((level) => svg("g", {},
        svg("line", { class: "grid", x1: MARGIN.left, x2: MARGIN.left + inner.width, y1: y(level), y2: y(level) }),
        svg("text", { x: MARGIN.left - 8, y: y(level) + 4, "text-anchor": "end" }, percent(level, 0)))),
      svg("path", { class: "area", d: `${line}L${points.at(-1)[0].toFixed(1)} ${base}L${points[0][0].toFixed(1)} ${base}Z` }),
      svg("path", { class: "line", d: line }),
      tried.map((router, place) => svg("circle", { cx: points[place][0], cy: points[place][1], r: 4 },
        svg("title", {}, `router ${router.version}: ${percent(router.balanced_accuracy)} of ${router.prompts} prompts`))),
      labelled(tried, inner.width).map((place) =>
        svg("text", { x: x(place), y: HEIGHT - 8, "text-anchor": "middle" }, String(tried[place].version)))),
    el("figcaption", { class: "quiet" },
      `Balanced accuracy on the private hold-outs by router version; the newest has ${percent(last.balanced_accuracy)}.`));
}

function gridlines(floor) {
  const step = (1 - floor) / 2;
  return [floor, floor + step, 1];
}

/** Versions that have room for their number. */
function labelled(tried, width) {
  const every = Math.ceil(tried.length / Math.max(1, Math.floor(width / 34)));
  return tried.map((_, place) => place).filter((place) => (tried.length - 1 - place) % every === 0);
}

function spoken(tried) {
  const [first, last] = [tried[0], tried.at(-1)];
  return `Balanced accuracy went from ${percent(first.balanced_accuracy)} at router ${first.version} to `
    + `${percent(last.balanced_accuracy)} at router ${last.version}.`;
}
