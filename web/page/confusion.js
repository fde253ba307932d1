// Which domains the router takes for which others: a heat map with its numbers.

import { chip, count, el, percent } from "./elements.js";

/** The section's content. */
export function confusion({ federation }, place) {
  const trial = federation.trials[0];
  if (!trial) {
    return el("p", { class: "empty" }, "Nothing was tried yet: nodes try each router on the prompts that they hold out.");
  }
  const anyUnrouted = trial.confusion.some((row) => row.at(-1));
  const chosen = anyUnrouted ? [...trial.domains, "not routed"] : trial.domains;
  const head = el("tr", {}, el("th", { scope: "col" }, "is / was taken for"),
    chosen.map((domain) => el("th", { scope: "col", class: "across" }, el("span", {}, domain))),
    el("th", { scope: "col", class: "number" }, "right"));
  const rows = trial.domains.map((domain, at) => row(domain, trial.confusion[at].slice(0, chosen.length), at, chosen, place));
  return [
    el("p", { class: "quiet" }, `Hold-outs of router ${trial.router_version} by the domain a prompt is of, across the one it went to. `,
      `${count(trial.prompts)} prompts; a confidence is off by ${percent(trial.expected_calibration_error)} on average.`),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "confusion-title" },
      el("table", { class: "heat" },
        el("caption", { class: "unseen" }, "Prompts by true and chosen domain"), el("thead", {}, head), el("tbody", {}, rows))),
  ];
}

function row(domain, counts, at, chosen, place) {
  const total = counts.reduce((sum, value) => sum + value, 0);
  const cells = counts.map((value, to) => el("td", {
    class: to === at ? "cell right" : "cell wrong",
    // Mistakes are few, so theirs is the root of the share, which makes a few per cent visible.
    "--share": !total ? 0 : to === at ? value / total : Math.sqrt(value / total),
    title: total ? `${percent(value / total)} of ${domain} went to ${chosen[to]}` : "no prompt was held out",
  }, value ? count(value) : el("span", { class: "nothing" }, "0")));
  return el("tr", {}, el("th", { scope: "row" }, chip(domain, place(domain))), cells,
    el("td", { class: "number" }, total ? percent(counts[at] / total) : "–"));
}
