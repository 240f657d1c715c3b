// A list of groups, one button a row: number, prompt, a dot per completion, mean, kind; with
// `stacked`, long prompts get lines of their own above the rest. Texts are set with textContent, so
// nothing a model or a dataset wrote is ever read as HTML. Rows are reused, so focus and scroll position stay.

const lists = new WeakMap();

function el(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  if (parent) parent.append(node);
  return node;
}

function newRow(list) {
  const row = el("button", "lab-group", list.root);
  row.type = "button";
  const prompt = el("span", "lab-group-prompt", row);
  row.parts = { number: el("span", "lab-group-number", prompt), prompt: el("span", "", prompt), dots: el("span", "lab-dots", row) };
  row.parts.mean = el("span", "lab-group-mean", row);
  row.parts.kind = el("span", "lab-group-kind", row);
  row.onclick = () => list.report("picked", { step: list.step, group: row.group });
  return row;
}

function fillDots(holder, dots) {
  const signature = dots.join();
  if (holder.dataset.signature === signature) return;
  holder.dataset.signature = signature;
  while (holder.children.length > dots.length) holder.lastChild.remove();
  while (holder.children.length < dots.length) el("i", "lab-dot", holder);
  dots.forEach((level, place) => {
    const dot = holder.children[place];
    dot.dataset.sign = level > 0 ? "+" : level < 0 ? "-" : "0";
    dot.style.setProperty("--lab-strength", `${Math.round(Math.abs(level) * 100)}%`);
  });
}

function fillRow(row, item) {
  row.group = item.group;
  row.title = item.title;
  row.setAttribute("aria-label", item.title);
  row.setAttribute("aria-pressed", String(item.selected));
  row.parts.number.textContent = item.group;
  row.parts.prompt.textContent = item.prompt;
  row.parts.mean.textContent = item.mean;
  row.parts.kind.textContent = item.word;
  row.parts.kind.dataset.kind = item.kind;
  fillDots(row.parts.dots, item.dots);
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!lists.has(parentElement)) lists.set(parentElement, { root: el("div", "lab-groups", parentElement) });
  const list = lists.get(parentElement);
  list.report = setTriggerValue;
  list.step = data.step; // the step whose groups these rows are: another may be the newest when the click arrives
  list.root.setAttribute("role", "group");
  list.root.setAttribute("aria-label", data.label);
  list.root.dataset.layout = data.layout;
  list.root.dataset.stacked = data.stacked;
  while (list.root.children.length > data.rows.length) list.root.lastChild.remove();
  while (list.root.children.length < data.rows.length) newRow(list);
  data.rows.forEach((item, place) => fillRow(list.root.children[place], item));
  return () => {
    list.root.remove(); // the same element may be mounted again, and would then hold two
    lists.delete(parentElement);
  };
}
