// The page: takes each document as it comes and shows what changed.

import { routers } from "./accuracy.js";
import { confusion } from "./confusion.js";
import { el, refreshTimes, time } from "./elements.js";
import { domains, ownNode, owners, rounds, summary } from "./federation.js";
import { gossip } from "./gossip.js";
import { attach } from "./trying.js";

const TIMES_MS = 20_000;
const at = (id) => document.getElementById(id);
const shown = new Map();
let newest = null;

/** Put something into a section, unless it shows just that: a reader's place in it is not lost for nothing. */
function put(id, section, data, make) {
  const key = JSON.stringify(data);
  if (shown.get(id) === key) return;
  shown.set(id, key);
  section.replaceChildren(...[make()].flat(2).filter(Boolean));
}

function show(status) {
  const { federation, node } = status;
  announce(newest, status);
  newest = status;
  const names = federation ? federation.domains.map((domain) => domain.domain) : [];
  const place = (domain) => Math.max(names.indexOf(domain), 0);
  const body = (id) => at(id).querySelector(".body");
  at("role").textContent = node ? `node ${node.owner || "that has not joined yet"}` : "coordinator";
  document.title = node ? `Ridgeway · ${node.owner || "node"}` : "Ridgeway · coordinator";
  notice(status);
  at("try").hidden = !(status.can_try && node && node.router_version);
  at("node").hidden = !node;
  if (node) put("node", body("node"), [node, names], () => ownNode(status, place));
  at("gossip").hidden = !node?.gossip;
  if (node?.gossip) put("gossip", body("gossip"), node.gossip, () => gossip(node.gossip));
  for (const id of ["summary", "owners", "domains", "rounds", "confusion"]) at(id).hidden = !federation;
  put("routers", body("routers"), [status.routers, width()], () => routers(status, width()));
  if (!federation) return;
  put("summary", at("summary"), federation, () => summary(status));
  put("owners", body("owners"), [federation.members, names], () => owners(status, place));
  put("domains", body("domains"), federation.domains, () => domains(status, place));
  put("rounds", body("rounds"), [federation.rounds, federation.manifest.masking, !node?.gossip], () => rounds(status));
  put("confusion", body("confusion"), [federation.trials[0], names], () => confusion(status, place));
  put("federation", at("federation"), federation.federation_id, () => ["federation ", el("code", {}, federation.federation_id)]);
}

const width = () => Math.round(at("routers").querySelector(".body").clientWidth) || 600;

function notice({ missing, federation_as_of: asOf }) {
  const hidden = !missing;
  const key = JSON.stringify([missing, asOf]);
  if (shown.get("notice") === key) return;
  shown.set("notice", key);
  at("notice").hidden = hidden;
  at("notice").replaceChildren(...(hidden ? [] : [missing, ...(asOf ? [" This is what the coordinator said ", time(asOf), "."] : [])]));
}

/** Tell a screen reader who came and who went. */
function announce(before, after) {
  if (!before?.federation || !after.federation) return;
  const was = new Map(before.federation.members.map((member) => [member.owner, member.state]));
  const news = after.federation.members
    .filter((member) => was.get(member.owner) !== member.state)
    .map((member) => `${member.owner} is ${member.state}`);
  if (before.federation.router_version !== after.federation.router_version) news.push(`router ${after.federation.router_version} is out`);
  if (news.length) at("news").textContent = `${news.join(", ")}.`;
}

function live(text, state) {
  at("live").textContent = text;
  at("live").dataset.state = state;
}

function follow() {
  const events = new EventSource("/api/events");
  events.onmessage = (event) => {
    live("live", "on");
    show(JSON.parse(event.data));
  };
  events.onerror = () => {
    live("reconnecting", "off");
    if (events.readyState === EventSource.CLOSED) again();
  };
}

/** The server refused the stream: because the login has run out, or because it is busy. */
async function again() {
  const response = await fetch("/api/status").catch(() => null);
  if (response?.status === 401) location.assign("/login");
  else setTimeout(follow, 3000);
}

attach(at("try-form"), at("try-result"));
addEventListener("resize", () => newest && show(newest));
setInterval(refreshTimes, TIMES_MS);
follow();
