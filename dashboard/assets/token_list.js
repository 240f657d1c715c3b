// The most extreme tokens of a step, one button a row: value, share, the token in its text, where it is.
// Texts are set with textContent, so nothing a model wrote is ever read as HTML.

const lists = new WeakMap();

function el(tag, className, parent, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function addRow(list, item, step) {
  const row = el("button", "lab-token-row", list.root);
  row.type = "button";
  row.title = `Open ${item.where}`;
  el("span", "lab-right lab-token-value", row, item.value);
  el("span", "lab-right", row, item.share);
  const text = el("span", "lab-token-context lab-mono", row);
  el("span", "lab-muted", text, item.before);
  el("mark", "lab-token-mark", text, item.text).dataset.sign = item.sign;
  el("span", "lab-muted", text, item.after);
  el("span", "lab-small", row, item.where);
  row.onclick = () =>
    list.report("picked", { step, group: item.group, completion: item.completion, token: item.token });
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!lists.has(parentElement)) lists.set(parentElement, { root: el("div", "lab-token-list", parentElement) });
  const list = lists.get(parentElement);
  list.report = setTriggerValue;
  const signature = JSON.stringify(data);
  if (list.signature !== signature) {
    list.signature = signature;
    list.root.replaceChildren();
    list.root.setAttribute("role", "group");
    list.root.setAttribute("aria-label", data.title);
    el("div", "lab-strip-title", list.root, data.title);
    const head = el("div", "lab-token-row lab-token-head", list.root);
    data.headings.forEach((heading, place) => el("span", place < 2 ? "lab-right" : "", head, heading));
    for (const item of data.rows) addRow(list, item, data.step);
  }
  return () => {
    list.root.remove(); // the same element may be mounted again, and would then hold two
    lists.delete(parentElement);
  };
}
