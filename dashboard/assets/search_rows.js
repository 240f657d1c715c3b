// Completions that a search found, a row each in a table; the button in the first cell covers its row and opens it.
// Texts are set with textContent, so nothing a model or a dataset wrote is ever read as HTML.

const tables = new WeakMap();
const HEADINGS = ["step · group · #", "prompt", "completion", "total", "advantage", "tokens", "end"];

function el(tag, className, parent, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function newTable(parentElement) {
  const root = el("div", "lab-scroll", parentElement);
  const table = el("table", "lab-table lab-hits", root);
  const head = el("tr", "", el("thead", "", table));
  HEADINGS.forEach((heading) => (el("th", "", head, heading).scope = "col"));
  return { root, table, body: el("tbody", "", table) };
}

function newRow(item, report) {
  const row = el("tr", "");
  const open = el("button", "lab-hit", el("td", "", row), item.place);
  open.type = "button";
  open.title = item.title;
  open.setAttribute("aria-label", item.title);
  open.onclick = () => report("picked", item.key);
  el("td", "lab-hit-prompt", row, item.prompt);
  const cell = el("td", "", row);
  const text = el("div", "lab-hit-text", cell);
  el("span", "", text, item.before);
  if (item.match) el("mark", "", text, item.match);
  el("span", "", text, item.after);
  if (item.verdict) el("div", "lab-small", cell, item.verdict);
  el("td", "lab-right", row, item.total);
  const advantage = el("b", "lab-advantage", el("td", "lab-right", row), item.advantage);
  advantage.dataset.sign = item.sign;
  el("td", "lab-right", row, item.length);
  el("td", "", row, item.end);
  return row;
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!tables.has(parentElement)) tables.set(parentElement, newTable(parentElement));
  const { root, table, body } = tables.get(parentElement);
  table.setAttribute("aria-label", data.label);
  body.replaceChildren(...data.rows.map((item) => newRow(item, setTriggerValue)));
  return () => {
    root.remove(); // the same element may be mounted again, and would then hold two
    tables.delete(parentElement);
  };
}
