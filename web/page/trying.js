// The box to try a prompt: where it goes, how sure the router is, and what each of its words says.

import { chip, el, percent, table } from "./elements.js";

/** Let the form ask; a prompt is sent once, to this node, and kept nowhere. */
export function attach(form, result) {
  const prompt = form.elements.prompt;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form, prompt.value, result);
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

async function ask(form, prompt, result) {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const response = await fetch("/api/try", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ prompt }),
    });
    const answer = await response.json();
    result.replaceChildren(...(response.ok ? decision(prompt, answer) : [refusal(answer.message)]));
  } catch {
    result.replaceChildren(refusal("the node does not answer; check that it runs"));
  } finally {
    button.disabled = false;
  }
}

function refusal(sentence) {
  return el("p", { class: "warn" }, sentence);
}

function decision(prompt, answer) {
  const domains = Object.keys(answer.votes);
  const place = (domain) => domains.indexOf(domain);
  const expert = answer.expert;
  return [
    el("p", { class: "verdict" }, chip(answer.domain, place(answer.domain)),
      el("span", {}, `confidence ${percent(answer.confidence)}`),
      el("span", { class: "quiet" }, expert ? `to ${expert.model || expert.url} of ${expert.owner}` : "nobody serves this domain"),
      el("span", { class: "quiet" }, `router ${answer.router_version}`)),
    votes(answer, domains),
    el("p", { class: "words", "aria-hidden": "true" }, words(prompt, answer.explanation, place)),
    el("details", {}, el("summary", {}, "Every token"), tokens(answer, place)),
  ];
}

/** Evidence by domain; bars begin at the lowest, so that negative scores have one too. */
function votes(answer, domains) {
  const values = domains.map((domain) => answer.votes[domain]);
  const low = Math.min(...values, 0);
  const span = Math.max(...values) - low || 1;
  const order = domains.map((_, place) => place).sort((a, b) => values[b] - values[a]);
  return el("ul", { class: "votes", "aria-label": "Evidence by domain" }, order.map((place) =>
    el("li", {},
      el("span", { class: "name" }, domains[place]),
      el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: `bar d${place % 8}`, "--share": (values[place] - low) / span })),
      el("span", { class: "number" }, Number.isInteger(values[place]) ? String(values[place]) : values[place].toFixed(3)))));
}

/** The prompt, each stretch in the colour of the domain that it speaks for. */
function words(prompt, explanation, place) {
  const characters = Array.from(prompt);
  const strength = strongest(explanation);
  const made = [];
  let end = 0;
  for (const segment of explanation.segments) {
    if (!segment.text) continue;
    made.push(characters.slice(end, segment.start).join(""));
    made.push(el("mark", {
      class: segment.kept ? `d${place(segment.speaks_for) % 8}` : "out",
      "--share": strength(segment),
      title: `${segment.speaks_for}: ${weight(segment)}`,
    }, segment.text));
    end = segment.stop;
  }
  return [...made, characters.slice(end).join("")];
}

/** How strongly a segment is coloured: by its share where tokens add up, evenly where they vote. */
function strongest(explanation) {
  const voting = explanation.segments.some((segment) => segment.tokens.some((token) => token.vote !== null));
  const largest = Math.max(...explanation.segments.map((segment) => Math.abs(segment.share.chosen)), 1e-9);
  return (segment) => (voting ? 0.8 : 0.25 + 0.75 * Math.abs(segment.share.chosen) / largest);
}

function weight(segment) {
  const entropies = segment.tokens.filter((token) => token.entropy !== null).map((token) => `entropy ${token.entropy.toFixed(3)}`);
  return entropies.length ? entropies.join(", ") : `${signed(segment.share.chosen)}`;
}

function tokens(answer, place) {
  const { explanation } = answer;
  const voting = explanation.segments.some((segment) => segment.tokens.some((token) => token.vote !== null));
  const heads = [{ title: "Text" }, { title: "Speaks for" }, { title: "Counts" }].concat(voting
    ? [{ title: "Entropy", number: true }]
    : [{ title: `For ${answer.domain}`, number: true }, { title: explanation.runner_up ? `For ${explanation.runner_up}` : "", number: true }]);
  return table("Every token", heads, explanation.segments.map((segment) => [
    el("code", {}, segment.text || "(none)"), chip(segment.speaks_for, place(segment.speaks_for)), segment.kept ? "yes" : "no",
    ...(voting ? [weight(segment).replaceAll("entropy ", "")] : [signed(segment.share.chosen), signed(segment.share.runner_up)]),
  ]));
}

function signed(value) {
  return value === null ? "" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
