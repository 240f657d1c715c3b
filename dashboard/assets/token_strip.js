// One completion token by token, coloured by a number, with the most extreme tokens and the numbers of one beside it.
// Arrow keys move between tokens. All model text is set with textContent, so none of it is ever read as HTML.

const strips = new WeakMap();

function el(tag, className, parent, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function build(parent) {
  const root = el("div", "lab-strip", parent);
  const strip = { root, text: el("div", "lab-tokens lab-strip-text", root) };
  const aside = el("div", "lab-strip-aside", root);
  strip.details = el("div", "lab-strip-details", aside);
  strip.details.setAttribute("aria-live", "polite");
  strip.list = el("div", "lab-strip-list", aside);
  strip.text.tabIndex = 0;
  strip.text.setAttribute("role", "listbox");
  strip.text.onkeydown = (event) => onKey(strip, event);
  strip.text.onfocus = () => strip.current < 0 && select(strip, 0);
  strip.text.onclick = (event) => {
    const place = placeOf(event.target);
    if (place < 0) return;
    select(strip, place);
    strip.report("picked", { token: place + 1 });
  };
  strip.text.onmouseover = (event) => {
    const place = placeOf(event.target);
    if (place >= 0 && !event.target.title) event.target.title = inWords(strip.data, place);
  };
  return strip;
}

const placeOf = (node) => (node.dataset && node.dataset.place ? Number(node.dataset.place) : -1);

function inWords(data, place) {
  const lines = data.columns.map((column) => `${column.name} ${column.values[place]}`);
  const others = data.alternatives[place].map(([text, share]) => `${text} ${share}`).join(" · ");
  return [`token ${place + 1}: ${data.pieces[place].trim()}`, ...lines, ...(others ? [others] : [])].join("\n");
}

function fillText(strip, data) {
  const special = new Set(data.special);
  const box = strip.text;
  box.setAttribute("aria-label", `Tokens of ${data.name}; arrow keys move between them`);
  box.replaceChildren();
  const holder = document.createDocumentFragment();
  data.pieces.forEach((piece, place) => {
    const node = el("span", special.has(place) ? "lab-token lab-special" : "lab-token", holder, piece);
    const level = data.levels[place];
    node.dataset.place = place;
    node.id = `${strip.id}-${place}`;
    node.setAttribute("role", "option");
    node.style.setProperty("--lab-strength", `${Math.abs(level) * 5}%`);
    if (data.signed) node.dataset.sign = level > 0 ? "+" : level < 0 ? "-" : "0";
  });
  box.append(holder);
  if (data.note) el("div", "lab-muted", box, data.note);
}

function fillList(strip, data) {
  strip.list.replaceChildren();
  if (!data.list.length) return;
  el("div", "lab-strip-title", strip.list, data.listTitle);
  for (const item of data.list) {
    const row = el("button", "lab-strip-row", strip.list);
    row.type = "button";
    row.disabled = item.place > data.pieces.length; // beyond what the strip shows
    if (!row.disabled) row.title = inWords(data, item.place - 1);
    el("span", "lab-mono", row, item.text);
    el("span", "lab-muted", row, `token ${item.place}`);
    el("span", "lab-right", row, item.value);
    row.onclick = () => {
      select(strip, item.place - 1, true);
      strip.report("picked", { token: item.place });
    };
  }
}

function select(strip, place, scroll) {
  const data = strip.data;
  const before = strip.text.children[strip.current];
  if (before) before.removeAttribute("aria-selected");
  strip.current = place;
  strip.details.replaceChildren();
  const node = place < 0 ? null : strip.text.children[place];
  if (!node) {
    strip.text.removeAttribute("aria-activedescendant");
    el("div", "lab-muted", strip.details, "Click a token, or use the arrow keys, to see its numbers here.");
    return;
  }
  node.setAttribute("aria-selected", "true");
  strip.text.setAttribute("aria-activedescendant", node.id);
  if (scroll) node.scrollIntoView({ block: "nearest" });
  fillDetails(strip.details, data, place);
}

function fillDetails(box, data, place) {
  const head = el("div", "lab-strip-title", box, `Token ${place + 1} of ${data.total}: `);
  el("span", "lab-mono", head, data.pieces[place].trim() || data.pieces[place]);
  if (data.special.includes(place)) el("span", "lab-muted", head, " special token");
  const table = el("dl", "lab-strip-numbers", box);
  for (const column of data.columns) {
    el("dt", "", table, column.name);
    el("dd", "", table, column.values[place]);
  }
  if (!data.alternatives[place].length) return;
  el("div", "lab-muted", box, "Likeliest here when it was sampled:");
  const others = el("dl", "lab-strip-numbers", box);
  for (const [text, share, own] of data.alternatives[place]) {
    el("dt", own ? "lab-mono lab-strip-own" : "lab-mono", others, own ? `${text} (this one)` : text);
    el("dd", "", others, share);
  }
}

function onKey(strip, event) {
  const last = strip.data.pieces.length - 1;
  const at = Math.max(strip.current, 0);
  const places = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last, ArrowDown: below(strip, at, 1), ArrowUp: below(strip, at, -1) };
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key === "Enter" && strip.current >= 0) strip.report("picked", { token: strip.current + 1 });
  if (!(event.key in places)) return;
  event.preventDefault();
  event.stopPropagation();
  select(strip, Math.min(Math.max(places[event.key], 0), last), true);
}

// The token on the next line in this direction that lies nearest.
function below(strip, at, direction) {
  const nodes = strip.text.children;
  const here = nodes[at].getBoundingClientRect();
  let best = at;
  let line = null;
  for (let place = at + direction; place >= 0 && place < strip.data.pieces.length; place += direction) {
    const box = nodes[place].getBoundingClientRect();
    if (Math.abs(box.top - here.top) < here.height / 2) continue;
    if (line !== null && Math.abs(box.top - line) > here.height / 2) break;
    line = box.top;
    if (best === at || Math.abs(box.left - here.left) < Math.abs(nodes[best].getBoundingClientRect().left - here.left)) best = place;
  }
  return best;
}

let count = 0;

export default function ({ data, parentElement, setTriggerValue }) {
  if (!strips.has(parentElement)) {
    const made = build(parentElement);
    made.id = `lab-strip-${count++}`;
    made.current = -1;
    strips.set(parentElement, made);
  }
  const strip = strips.get(parentElement);
  strip.report = setTriggerValue;
  const signature = JSON.stringify(data);
  if (strip.signature !== signature) { // a page that renews itself every second must not lose the place
    const same = strip.data && strip.data.name === data.name && strip.data.selected === data.selected;
    const place = same ? strip.current : (data.selected || 0) - 1;
    const arrived = data.selected && place !== strip.current;
    strip.signature = signature;
    strip.data = data;
    strip.current = -1;
    fillText(strip, data);
    fillList(strip, data);
    select(strip, place);
    if (arrived) requestAnimationFrame(() => strip.text.children[place]?.scrollIntoView({ block: "center" }));
  }
  return () => {
    strip.root.remove(); // the same element may be mounted again, and would then hold two
    strips.delete(parentElement);
  };
}
