// Elements from plain values. Text only ever becomes text: nothing here, or anywhere on this page, writes markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; what is null or false is left out. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("--")) element.style.setProperty(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * A table; as cards it becomes a list of them on a phone. Roles are stated, since a table laid out as blocks loses its
 * own.
 * @param caption what a screen reader calls it
 * @param heads the columns: {title, number}
 * @param rows each a list of cells: text, or an element, or null; the first one is the row's head
 */
export function table(caption, heads, rows, look = "cards") {
  const head = heads.map(({ title, number }) =>
    el("th", { scope: "col", role: "columnheader", class: number && "number" }, title));
  const body = rows.map((cells) =>
    el("tr", { role: "row" }, cells.map((cell, place) =>
      el(place ? "td" : "th", {
        scope: place ? null : "row",
        role: place ? "cell" : "rowheader",
        class: `${heads[place].number ? "number" : ""} ${cell === null ? "none" : ""}`.trim() || null,
        "data-title": heads[place].title,
      }, cell ?? "–"))));
  const reachable = look === "cards" ? {} : { tabindex: "0", role: "region", "aria-label": caption };
  return el("div", { class: "scroll", ...reachable },
    el("table", { role: "table", class: look },
      el("caption", { class: "unseen" }, caption),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)),
      el("tbody", { role: "rowgroup" }, body)));
}

/** A name in the colour of its domain. */
export function chip(name, place) {
  return el("span", { class: `chip d${place % 8}` }, name);
}

/** The beginning of a digest, all of it on pointing at it. */
export function digest(hex) {
  return hex ? el("code", { title: hex }, hex.slice(0, 12)) : null;
}

/** How long ago or until when; `refreshTimes` keeps it current. */
export function time(iso) {
  if (!iso) return null;
  const shown = el("time", { datetime: iso, title: new Date(iso).toLocaleString() });
  shown.textContent = distance(iso);
  return shown;
}

/** Bring every time on the page up to date. */
export function refreshTimes() {
  for (const shown of document.querySelectorAll("time[datetime]")) shown.textContent = distance(shown.dateTime);
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function distance(iso) {
  const seconds = (new Date(iso) - Date.now()) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 0 ? "in less than a minute" : "just now";
}

const numbers = new Intl.NumberFormat("en");

/** A whole number with its thousands apart. */
export const count = (value) => numbers.format(value);

/** A share as a percentage. */
export const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)} %`;

/** One or many. */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
