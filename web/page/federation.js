// Owners, domains, rounds and the numbers on top.

import { chip, count, digest, el, percent, plural, table, time } from "./elements.js";

/** The numbers that say at a glance how the federation is. */
export function summary({ federation }) {
  const active = federation.members.filter((member) => member.state === "active");
  const connected = active.filter((member) => member.connected).length;
  const trial = federation.trials[0];
  return [
    tile("Router", federation.router_version || "none yet",
      !federation.router_version ? "it comes with the first contribution"
        : federation.router_is_current ? ["published ", time(federation.published)] : "a newer one is being solved"),
    tile("Owners", active.length, `${connected} connected`),
    tile("Domains", federation.domains.length, `${plural(federation.rows, "row")} in the sum`),
    tile("Accuracy", trial ? percent(trial.balanced_accuracy) : "–",
      trial ? `router ${trial.router_version} on ${plural(trial.prompts, "private prompt")}` : "no hold-out was tried yet"),
    tile("Sum", digest(federation.sum_digest) ?? "–", "the same at everyone who holds it"),
  ];
}

function tile(title, value, below) {
  return el("div", {}, el("dt", {}, title), el("dd", {}, el("span", { class: "value" }, value), el("span", { class: "quiet" }, below)));
}

/** Who is in, who was, and who is expected. */
export function owners({ federation }, place) {
  if (!federation.members.length) {
    return el("p", { class: "empty" }, "Nobody was invited yet. Let an owner in with ",
      el("code", {}, "ridgeway invite OWNER"), ".");
  }
  const heads = [
    { title: "Owner" }, { title: "State" }, { title: "Contributes" }, { title: "Rows", number: true },
    { title: "Router", number: true }, { title: "Since" }, { title: "Certificate ends" },
  ];
  const rows = federation.members.map((member) => [
    member.owner,
    state(member),
    member.contributions.length ? el("span", { class: "chips" }, member.contributions.map((c) => chip(c.domain, place(c.domain)))) : null,
    member.contributions.length ? count(member.contributions.reduce((sum, c) => sum + c.rows, 0)) : null,
    member.state === "active" && member.router_version ? String(member.router_version) : null,
    time(member.since),
    member.state === "active" ? time(member.certificate_expires) : null,
  ]);
  return table("Owners", heads, rows);
}

const EXPLAINED = {
  invited: "an invitation is out and has not been used",
  left: "its contributions are out of the sum",
  revoked: "its certificates are refused; its contributions still count",
  evicted: "its certificates are refused and its contributions are out of the sum",
};

function state(member) {
  const away = member.state === "active" && !member.connected;
  return el("span", { class: `state ${away ? "away" : member.state}`, title: EXPLAINED[member.state] },
    away ? "not connected" : member.state === "active" ? "connected" : member.state);
}

/** What the router can choose from. */
export function domains({ federation }, place) {
  if (!federation.domains.length) return el("p", { class: "empty" }, "No domain yet: nobody has contributed.");
  const most = Math.max(...federation.domains.map((domain) => domain.rows), 1);
  const heads = [{ title: "Domain" }, { title: "Rows" }, { title: "Owners" }, { title: "Experts" }];
  return table("Domains", heads, federation.domains.map((domain) => [
    chip(domain.domain, place(domain.domain)),
    el("div", { class: "measure" },
      count(domain.rows),
      domain.too_small_to_trust && el("span", { class: "warn" }, " too few to trust"),
      el("span", { class: `bar d${place(domain.domain) % 8}`, "--share": domain.rows / most, "aria-hidden": "true" })),
    domain.owners.join(", "),
    domain.experts.length ? el("ul", { class: "plain" }, domain.experts.map(expert)) : "nobody serves it",
  ]));
}

function expert(offer) {
  const facts = [
    offer.owner,
    offer.price !== null && `${offer.price} per million tokens`,
    offer.latency_ms !== null && `${offer.latency_ms.toFixed(0)} ms`,
  ].filter(Boolean);
  return el("li", {}, el("span", { title: offer.url }, offer.model || offer.url), " ", el("span", { class: "quiet" }, facts.join(" · ")));
}

/** Secure aggregation: what the next round waits for, how far the present one is, and how the last one ended. */
export function rounds({ federation, node }) {
  const known = federation.rounds;
  if (!known) {
    return el("p", { class: "empty" }, el("span", { class: "warn" }, "Contributions are not masked"),
      `: there are no rounds, and ${node?.gossip ? "every member" : "the coordinator"} sees each owner's sums.`);
  }
  const facts = [
    ["Now", known.phase ? `round ${known.number} of ${known.cohort} owners waits for ${known.phase}` : "no round runs"],
    known.missing.length && ["Missing", known.missing.join(", ")],
    known.changed.length && ["With a change", known.changed.join(", ")],
    known.waiting && ["Waiting", known.waiting],
    known.last_outcome && ["Last", known.last_outcome],
    ["Since the start", `${count(known.committed)} committed, ${count(known.aborted)} came to nothing, ${count(known.dropouts)} dropouts`],
  ].filter(Boolean);
  return el("dl", { class: "facts" }, facts.map(([title, value]) => el("div", {}, el("dt", {}, title), el("dd", {}, value))));
}

function coordinator(node) {
  return [node.coordinator, " ", el("span", { class: `state ${node.connected ? "active" : "away"}` }, node.connected ? "connected" : "not connected")];
}

/** What this node itself says. */
export function ownNode({ node }, place) {
  if (!node.owner) {
    return el("p", { class: "empty" }, "This node has not joined a federation. Ask its operator for an invitation and run ",
      el("code", {}, "ridgeway join"), ".");
  }
  const facts = el("dl", { class: "facts" }, [
    ["Owner", node.owner],
    node.gossip ? ["Dialled at", node.gossip.address ?? "nowhere; it opens its streams itself"] : ["Coordinator", coordinator(node)],
    ["Router", node.router_version ? [String(node.router_version), ", here ", time(node.router_published)] : "none yet"],
    ["Certificate ends", time(node.certificate_expires)],
  ].map(([title, value]) => el("div", {}, el("dt", {}, title), el("dd", {}, value ?? "–"))));
  const heads = [{ title: "Domain" }, { title: "Rows", number: true }, { title: "In the sum" }, { title: "Source" }];
  return [
    facts,
    node.last_error && el("p", { class: "warn" }, node.last_error),
    node.domains.length ? table("What this node contributes", heads, node.domains.map((domain) => [
      chip(domain.domain, place(domain.domain)), count(domain.rows), domain.committed ? "yes" : "not yet",
      el("code", { class: "path" }, domain.location),
    ])) : el("p", { class: "empty" }, "It contributes nothing now."),
  ];
}
