// Moves through the steps of a run: back, forth, a slider and a number; while the run is live also "follow newest",
// which ends as soon as somebody moves. What a person holds or types in is not touched by new data.

const scrubbers = new WeakMap();

function el(tag, className, parent, attributes = {}) {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function build(parent) {
  const root = el("div", "lab-scrubber", parent);
  const parts = { root, held: false };
  el("label", "lab-scrubber-label", root, { for: "lab-step-number" }).textContent = "Step";
  parts.back = el("button", "lab-step-button", root, { type: "button", "aria-label": "Previous step" });
  parts.back.textContent = "◀";
  parts.range = el("input", "lab-range", root, { type: "range", "aria-label": "Step" });
  parts.forth = el("button", "lab-step-button", root, { type: "button", "aria-label": "Next step" });
  parts.forth.textContent = "▶";
  parts.number = el("input", "lab-step-number", root, { type: "number", id: "lab-step-number" });
  parts.of = el("span", "lab-muted", root);
  parts.followLabel = el("label", "lab-follow", root);
  parts.follow = el("input", "", parts.followLabel, { type: "checkbox" });
  parts.followText = el("span", "", parts.followLabel);
  return parts;
}

function connect(parts) {
  const move = (value) => {
    const step = Math.min(Math.max(parts.oldest, Math.round(Number(value) || 1)), parts.newest);
    show(parts, step);
    parts.number.value = step; // also while it has the focus: what was typed may lie beyond the ends
    parts.report("moved", { step });
  };
  parts.back.onclick = () => move(Number(parts.range.value) - 1);
  parts.forth.onclick = () => move(Number(parts.range.value) + 1);
  parts.range.onpointerdown = () => (parts.held = true);
  parts.range.onpointerup = () => (parts.held = false);
  parts.range.oninput = () => (parts.number.value = parts.range.value);
  parts.range.onchange = () => {
    parts.held = false;
    move(parts.range.value);
  };
  parts.number.onchange = () => move(parts.number.value);
  parts.follow.onchange = () =>
    parts.follow.checked ? parts.report("moved", { follow: true }) : move(parts.range.value);
}

function show(parts, step) {
  parts.range.value = step;
  if (document.activeElement !== parts.number) parts.number.value = step;
  parts.back.disabled = step <= parts.oldest;
  parts.forth.disabled = step >= parts.newest;
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!scrubbers.has(parentElement)) {
    const parts = build(parentElement);
    connect(parts);
    scrubbers.set(parentElement, parts);
  }
  const parts = scrubbers.get(parentElement);
  parts.report = setTriggerValue;
  parts.oldest = data.oldest;
  parts.newest = Math.max(parts.oldest, data.newest);
  parts.range.min = parts.number.min = parts.oldest;
  parts.range.max = parts.number.max = parts.newest;
  parts.range.disabled = parts.number.disabled = data.newest < 1;
  parts.of.textContent = `of ${data.newest.toLocaleString("en")}`;
  parts.follow.checked = data.follow;
  parts.followText.textContent = data.live ? "follow newest" : "last step";
  if (!parts.held) show(parts, Math.max(parts.oldest, data.step));
  return () => {
    parts.root.remove(); // the same element may be mounted again, and would then hold two
    scrubbers.delete(parentElement);
  };
}
