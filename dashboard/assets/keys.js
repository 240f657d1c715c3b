// Moves by keyboard: ← → or h l steps, ↑ ↓ or j k groups, [ ] or p n completions, f follows the newest step, / searches, ?
// lists the keys. A key moves a place that is kept here, and what is reported is that place, not the key: presses that
// come while the page is still drawing are neither lost nor counted twice.

const keyboards = new WeakMap();
const WAIT_MS = 60; // presses within it are reported as one
const TRUST_MS = 5000; // a report that is not answered by then was lost

const MOVES = {
  ArrowLeft: ["step", -1], h: ["step", -1], ArrowRight: ["step", 1], l: ["step", 1],
  ArrowUp: ["group", -1], k: ["group", -1], ArrowDown: ["group", 1], j: ["group", 1],
  "[": ["completion", -1], p: ["completion", -1], "]": ["completion", 1], n: ["completion", 1],
};
// Where letters are typed, and nothing of ours happens; a box to tick is none of these.
const TYPING =
  'input:not([type="checkbox"]):not([type="radio"]):not([type="range"]), textarea, select, ' +
  '[contenteditable]:not([contenteditable="false"]), [role="listbox"], [role="combobox"], [role="menu"], ' +
  '[role="grid"], [role="dialog"], [data-testid="stDataFrame"]';
// Where arrows have a meaning of their own.
const ARROWS =
  'input:not([type="checkbox"]), [role="radiogroup"], [role="radio"], [role="slider"], [role="tablist"], .js-plotly-plot';

function el(tag, className, parent, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

function hint(keyboard, keys, words) {
  for (const key of keys) el("kbd", "lab-key", keyboard.line, key);
  el("span", "lab-key-words", keyboard.line, words);
}

function drawHints(keyboard) {
  const { has } = keyboard.data;
  if (keyboard.drawn === has.join()) return;
  keyboard.drawn = has.join();
  keyboard.line.textContent = "Keys:";
  hint(keyboard, ["←", "→"], "step");
  if (has.includes("group")) hint(keyboard, ["↑", "↓"], "group");
  if (has.includes("completion")) hint(keyboard, ["[", "]"], "completion");
  const all = el("button", "lab-key-all", keyboard.line);
  all.type = "button";
  el("kbd", "lab-key", all, "?");
  el("span", "lab-key-words", all, "all keys");
  all.onclick = () => help(keyboard);
}

function help(keyboard) {
  const { has } = keyboard.data;
  const rows = [
    ["← → or h l", "previous, next step"],
    ["f", "follow the newest step"],
    ["↑ ↓ or k j", "previous, next group of the list", "group"],
    ["[ ] or p n", "previous, next completion, by reward", "completion"],
    ["/", "search", "search"],
    ["?", "this list"],
    ["Esc", "close"],
  ].filter(([, , needs]) => !needs || has.includes(needs));
  const box = keyboard.box;
  box.textContent = "";
  el("div", "lab-name", box, "Keys");
  const list = el("dl", "lab-key-list", box);
  for (const [keys, words] of rows) {
    el("dt", "", list, keys);
    el("dd", "", list, words);
  }
  const close = el("button", "lab-step-button", box, "Close");
  close.type = "button";
  close.onclick = () => box.close();
  box.showModal();
}

// The place: absolute where the list is known, else counted from where the page will open a step or a group.
function placeOf(data) {
  return { step: data.step, group: data.group, down: 0, completion: data.completion, next: 0, follow: data.follow };
}

function moved(list, current, delta) {
  const at = list.indexOf(current);
  return at < 0 ? list[0] ?? current : list[Math.min(Math.max(at + delta, 0), list.length - 1)];
}

function move(keyboard, kind, delta) {
  const { base } = keyboard;
  const place = { ...keyboard.place };
  if (kind === "step") {
    place.step = Math.min(Math.max(place.step + delta, keyboard.data.oldest), keyboard.data.newest);
    if (place.step !== keyboard.place.step) Object.assign(place, { group: null, completion: null, down: 0, next: 0 });
  } else if (kind === "group" && place.group !== null) {
    place.group = moved(base.groups, place.group, delta);
    if (place.group !== keyboard.place.group) Object.assign(place, { completion: null, next: 0 });
  } else if (kind === "group") {
    Object.assign(place, { down: place.down + delta, completion: null, next: 0 });
  } else if (place.completion !== null) {
    place.completion = moved(base.completions, place.completion, delta);
  } else {
    place.next += delta;
  }
  place.follow = false;
  const same = ["step", "group", "down", "completion", "next"].every((name) => place[name] === keyboard.place[name]);
  if (!same) go(keyboard, place);
}

function go(keyboard, place) {
  keyboard.place = place;
  keyboard.timer ??= setTimeout(() => send(keyboard, { ...keyboard.place }), WAIT_MS);
}

function send(keyboard, report) {
  clearTimeout(keyboard.timer);
  keyboard.timer = null;
  keyboard.sent = `${keyboard.name}-${(keyboard.count += 1)}`;
  keyboard.sentAt = performance.now();
  keyboard.report("pressed", { ...report, id: keyboard.sent });
}

function isWaiting(keyboard) {
  if (keyboard.timer !== null) return true;
  return keyboard.sent !== keyboard.data.seen && performance.now() - keyboard.sentAt < TRUST_MS;
}

function searchBox() {
  const boxes = document.querySelectorAll('[data-testid="stMain"] :is(input[type="text"], textarea)');
  return [...boxes].find((box) => /search|phrase/i.test(box.getAttribute("aria-label") ?? ""));
}

function focusSearch(keyboard) {
  const box = searchBox();
  if (box) return box.focus();
  send(keyboard, { search: true });
  let tries = 40; // the view with the box is being drawn
  const timer = setInterval(() => {
    const found = searchBox();
    found?.focus();
    if (found || --tries === 0) clearInterval(timer);
  }, 100);
}

// Whether an arrow scrolls what has the focus, or a box around it that can be focused to scroll it. At the end of such a
// box, too: who holds the arrow down to get there wants no other step. Not the page itself.
function scrolls(target, key) {
  const across = key === "ArrowLeft" || key === "ArrowRight";
  for (let box = target; box instanceof Element && box !== document.body; box = box.parentElement) {
    if (box.dataset.testid === "stMain") return false;
    const overflow = getComputedStyle(box)[across ? "overflowX" : "overflowY"];
    const isLarger = across ? box.scrollWidth > box.clientWidth : box.scrollHeight > box.clientHeight;
    if ((box === target || box.tabIndex >= 0) && isLarger && /auto|scroll/.test(overflow)) return true;
  }
  return false;
}

function press(keyboard, event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.composedPath()[0];
  const isOver = (selector) => target instanceof Element && target.closest(selector) !== null;
  if (isOver(TYPING)) return;
  if (event.key.startsWith("Arrow") && (isOver(ARROWS) || scrolls(target, event.key))) return;
  if (document.querySelector("dialog[open]")) return;
  const { data } = keyboard;
  if (MOVES[event.key] && !(event.shiftKey && event.key.startsWith("Arrow"))) {
    const [kind, delta] = MOVES[event.key];
    if (kind !== "step" && !data.has.includes(kind)) return;
    move(keyboard, kind, delta);
  } else if (event.key === "f") {
    go(keyboard, { ...placeOf(data), step: data.newest, group: null, completion: null, follow: true });
  } else if (event.key === "/" && data.has.includes("search")) {
    focusSearch(keyboard);
  } else if (event.key === "?") {
    help(keyboard);
  } else {
    return;
  }
  event.preventDefault();
}

// The list scrolls with the group that is shown; the page itself stays where it is.
function reveal() {
  const row = document.querySelector('.lab-groups[data-layout="list"] .lab-group[aria-pressed="true"]');
  let box = row?.parentElement;
  while (box && !(box.scrollHeight > box.clientHeight && /auto|scroll/.test(getComputedStyle(box).overflowY))) {
    box = box.dataset.testid === "stMain" ? null : box.parentElement;
  }
  if (!box || box.dataset.testid === "stMain") return;
  const [a, b] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
  if (a.top < b.top) box.scrollTop -= b.top - a.top + 8;
  if (a.bottom > b.bottom) box.scrollTop += a.bottom - b.bottom + 8;
}

function build(parent) {
  const keyboard = { name: Math.random().toString(36).slice(2), count: 0, sent: "", sentAt: 0, timer: null };
  keyboard.line = el("div", "lab-keys", parent);
  keyboard.box = el("dialog", "lab-key-help", parent);
  keyboard.box.setAttribute("aria-label", "Keys");
  keyboard.listener = (event) => press(keyboard, event);
  document.addEventListener("keydown", keyboard.listener);
  return keyboard;
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!keyboards.has(parentElement)) keyboards.set(parentElement, build(parentElement));
  const keyboard = keyboards.get(parentElement);
  keyboard.report = setTriggerValue;
  keyboard.data = data;
  if (!isWaiting(keyboard)) {
    keyboard.base = data; // the lists that the place is in; while a report is under way a live run brings others
    keyboard.place = placeOf(data);
    if (keyboard.sent && keyboard.revealed !== keyboard.sent) setTimeout(reveal, 150);
    keyboard.revealed = keyboard.sent;
  }
  drawHints(keyboard);
  return () => {
    document.removeEventListener("keydown", keyboard.listener);
    clearTimeout(keyboard.timer);
    keyboard.line.remove();
    keyboard.box.remove();
    keyboards.delete(parentElement);
  };
}
