// Peers without a coordinator, as one of them sees the others.

import { count, digest, el, plural, table, time } from "./elements.js";

const EXPLAINED = {
  alive: "it answers",
  suspect: "it has not answered lately; it is asked for through others",
  dead: "nobody reaches it; it is tried again and again, and nothing of it is forgotten",
};

/** What this peer holds, and how it stands with each of the others. */
export function gossip(known) {
  const inStep = known.peers.filter((peer) => peer.same_records).length;
  const lost = known.peers.find((peer) => peer.owner === known.coordinator && peer.state !== "alive");
  const facts = [
    ["Records", `${count(known.records)}${known.pending ? `, ${count(known.pending)} more on their way` : ""}`],
    ["In step", `${inStep} of ${plural(known.peers.length, "peer")} hold the same`],
    known.refused && ["Refused", `${plural(known.refused, "time")} a peer sent what no honest peer sends`],
    known.weights_digest && ["Rounded W", digest(known.weights_digest)],
  ].filter(Boolean);
  return [
    lost ? el("p", { class: "warn", role: "status" }, `The coordinator is ${lost.state}; gossip goes on without it.`) : [],
    known.faults.map((fault) => el("p", { class: "warn", role: "alert" }, fault)),
    el("dl", { class: "facts" }, facts.map(([title, value]) => el("div", {}, el("dt", {}, title), el("dd", {}, value)))),
    known.peers.length ? peers(known) : el("p", { class: "empty" }, "No other peer yet."),
  ];
}

function peers(known) {
  const heads = [
    { title: "Peer" }, { title: "Seen as" }, { title: "Stream" }, { title: "Last exchange" }, { title: "Records" }, { title: "Sum" },
  ];
  return table("Peers", heads, known.peers.map((peer) => [
    peer.owner,
    el("span", { class: `state ${peer.state === "alive" ? "active" : "away"}`, title: EXPLAINED[peer.state] }, peer.state),
    peer.linked ? "open" : "none",
    time(peer.last_exchange),
    peer.same_records ? "the same" : "others",
    peer.differs ? el("span", { class: "warn" }, "differs: ", digest(peer.sum_digest)) : digest(peer.sum_digest),
  ]));
}
