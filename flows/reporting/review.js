// Shows one question at a time. Text of pages goes into textContent alone, never into markup.
"use strict";

const $ = (id) => document.getElementById(id);
const KEYS = { k: "keep", d: "drop", w: "rule-is-wrong", s: "skip" };
let current = null;
let busy = false;

function paragraphs(place, lines) {
  place.replaceChildren(
    ...lines.map((text) => Object.assign(document.createElement("p"), { textContent: text })),
  );
}

function show(state) {
  current = state.question;
  $("progress").textContent = `${state.answered} answered, ${state.left} left`;
  $("undo").disabled = !state.can_undo;
  for (const button of document.querySelectorAll("button[data-choice]")) button.disabled = !current;
  if (current) {
    const decided = current.is_kept ? "was kept" : `was dropped by ${current.rule}`;
    const sure = current.probability === null ? "" : `, P(content) ${current.probability.toFixed(2)}`;
    $("about").textContent = `${current.source}: ${decided}${sure} (${current.language}; ${current.why})`;
    $("line").textContent = current.text;
    $("line").className = `line ${current.is_kept ? "kept" : "dropped"}`;
    paragraphs($("above"), current.above);
    paragraphs($("below"), current.below);
    $("wrong").disabled = current.is_kept;
  } else {
    $("about").textContent = "";
    $("line").textContent = "Nothing is left to ask.";
    $("line").className = "line";
    paragraphs($("above"), []);
    paragraphs($("below"), []);
  }
  $("precision").replaceChildren(
    ...state.precision.map((row) => {
      const line = document.createElement("tr");
      for (const text of [row.name, `${row.share.toFixed(2)} ± ${row.margin.toFixed(2)}`, row.answers]) {
        line.append(Object.assign(document.createElement("td"), { textContent: text }));
      }
      return line;
    }),
  );
}

async function send(path, body) {
  if (busy) return;
  busy = true;
  try {
    const options = body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    const answer = await fetch(path, options);
    if (!answer.ok) throw new Error(await answer.text());
    show(await answer.json());
  } catch (error) {
    $("progress").textContent = `not saved: ${error.message}; is the review still running?`;
  } finally {
    busy = false;
  }
}

function choose(choice) {
  if (current && !(choice === "rule-is-wrong" && current.is_kept)) {
    send("answer", { id: current.id, choice });
  }
}

for (const button of document.querySelectorAll("button[data-choice]")) {
  button.addEventListener("click", () => choose(button.dataset.choice));
}
$("undo").addEventListener("click", () => send("undo", {}));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (KEYS[event.key]) choose(KEYS[event.key]);
  if (event.key === "u" && !$("undo").disabled) send("undo", {});
});
send("state");
