// Draws a board of KPI cards and charts, and keeps it alive: Plotly.react with a constant uirevision, so that zoom, pan
// and legend survive new data. Only charts in sight are drawn; the others catch up when they come into sight, and
// nothing is drawn while the tab is hidden. Texts are set with textContent. Colours arrive as "var(--lab-…)" and are
// read from the page's theme here, so that a change of theme needs no new data.

const PLOTLY_URL = "/vendor/plotly.min.js";
const CONFIG = {
  responsive: false, // a ResizeObserver watches the card itself
  displaylogo: false,
  displayModeBar: "hover",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
  doubleClick: "reset",
};
const MARGIN = "200px"; // how far outside of the window a chart is still drawn
const SVG = "http://www.w3.org/2000/svg";
const NOT_LOADED = "The chart could not be drawn: plotly.js did not load. Reload the page.";
const boards = new WeakMap();
let cards = 0; // for ids

function loadPlotly() {
  window.labPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = PLOTLY_URL;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.labPlotly = undefined; // so that the next data try again
      script.remove();
      reject(new Error(NOT_LOADED));
    };
    document.head.append(script);
  });
  return window.labPlotly;
}

function el(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  if (parent) parent.append(node);
  return node;
}

// --- theme ---

function colourReader(probe) {
  const known = new Map();
  return (name) => {
    if (!known.has(name)) {
      probe.style.color = name;
      known.set(name, getComputedStyle(probe).color);
    }
    return known.get(name);
  };
}

function withColours(value, read) {
  if (typeof value === "string") return value.startsWith("var(--lab-") ? read(value) : value;
  if (Array.isArray(value)) return value.map((item) => withColours(item, read));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withColours(item, read)]));
  }
  return value;
}

// --- cards ---

function newCard(item) {
  const card = el("figure", item.kpi ? "lab-kpi" : "lab-chart");
  const state = { card, drawn: "", item };
  if (item.kpi) {
    state.title = el("div", "lab-kpi-label", card);
    const row = el("div", "lab-kpi-row", card);
    state.value = el("span", "lab-kpi-value", row);
    state.change = el("span", "lab-kpi-change", row);
    state.note = el("div", "lab-kpi-note", card);
    state.help = el("div", "lab-kpi-help", card);
    state.help.id = `lab-kpi-help-${(cards += 1)}`;
    state.help.setAttribute("role", "tooltip");
  } else {
    const caption = el("figcaption", "", card);
    state.title = el("div", "lab-chart-title", caption);
    state.note = el("p", "lab-chart-note", caption);
    state.sentence = el("p", "lab-chart-sentence", card);
  }
  state.plot = el("div", item.kpi ? "lab-spark" : "lab-plot", card);
  state.plot.setAttribute("role", "img");
  return state;
}

function sparkline(holder, points) {
  const signature = points.join(" ");
  if (holder.dataset.points === signature) return;
  holder.dataset.points = signature;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", signature);
  svg.append(line);
  holder.replaceChildren(svg);
}

function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text ?? "";
}

// A mouse finds the explanation as a title, the keyboard by focus.
function explain(state, { title, value, help }) {
  setText(state.help, help);
  state.card.title = help ?? "";
  state.card.setAttribute("aria-label", `${title}: ${value}`);
  state.card.setAttribute("aria-describedby", state.help.id);
  if (help) state.card.tabIndex = 0;
  else state.card.removeAttribute("tabindex");
}

function fillCard(state, item) {
  state.item = item;
  setText(state.title, item.title);
  setText(state.note, item.note);
  setText(state.value, item.value);
  setText(state.change, item.change);
  setText(state.sentence, item.sentence);
  if (state.change) state.change.dataset.tone = item.tone ?? "";
  if (item.kpi) explain(state, item);
  state.card.classList.toggle("lab-wide", Boolean(item.wide));
  state.plot.setAttribute("aria-label", item.alt);
  if (item.kpi) sparkline(state.plot, item.points);
  else state.plot.style.height = item.figure ? `${item.height}px` : "0";
}

function watchClicks(state, board) {
  state.plot.on("plotly_click", (event) => {
    const point = event.points?.[0];
    if (!point || !board.report) return;
    const data = Array.isArray(point.customdata) ? point.customdata : [];
    board.report("clicked", { chart: state.item.key, x: Number(point.x), data: data.map(Number) });
  });
}

async function draw(state, board) {
  const { item, plot } = state;
  const signature = item.figure ? board.theme + item.figure : "";
  if (item.kpi || !state.inSight || signature === state.drawn) return;
  const Plotly = await loadPlotly();
  if (state.item !== item || !state.card.isConnected) return; // newer data came, or the card has gone, while loading
  if (!item.figure) {
    Plotly.purge(plot); // also of those who listen
    state.drawn = "";
    state.watched = false;
    return;
  }
  const figure = withColours(JSON.parse(item.figure), board.read);
  const layout = {
    ...figure.layout,
    uirevision: item.key,
    autosize: true,
    height: item.height,
    font: { ...figure.layout.font, family: board.font },
  };
  state.drawn = signature;
  setText(state.sentence, item.sentence); // not any longer that plotly.js did not load
  await Plotly.react(plot, figure.data, layout, CONFIG);
  if (state.watched) return;
  state.watched = true;
  watchClicks(state, board);
  board.resizer.observe(state.card);
}

// --- board ---

function newBoard(root) {
  const grid = el("div", "lab-board", root);
  const probe = el("span", "", root);
  probe.hidden = true;
  const board = { grid, probe, cards: new Map(), theme: "", busy: false, again: false };
  board.resizer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = target.querySelector(".js-plotly-plot");
      if (plot && plot.clientWidth && plot.clientWidth !== plot._fullLayout?.width) window.Plotly.Plots.resize(plot);
    }
  });
  board.sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) target.labState.inSight = isIntersecting;
    drawAll(board);
  }, { rootMargin: MARGIN });
  board.onVisible = () => document.hidden || drawAll(board);
  document.addEventListener("visibilitychange", board.onVisible);
  return board;
}

function arrange(board, items) {
  const wanted = new Set(items.map((item) => item.key));
  for (const [key, state] of board.cards) {
    if (wanted.has(key)) continue;
    board.resizer.unobserve(state.card);
    board.sight.unobserve(state.card);
    window.Plotly?.purge(state.plot);
    state.card.remove();
    board.cards.delete(key);
  }
  items.forEach((item, place) => {
    if (!board.cards.has(item.key)) {
      const card = newCard(item);
      card.card.labState = card;
      board.cards.set(item.key, card);
      if (!item.kpi) board.sight.observe(card.card);
    }
    const state = board.cards.get(item.key);
    if (board.grid.children[place] !== state.card) board.grid.insertBefore(state.card, board.grid.children[place]);
    fillCard(state, item);
  });
}

function readTheme(board) {
  board.read = colourReader(board.probe);
  board.theme = ["text", "panel", "blue", "neg"].map((name) => board.read(`var(--lab-${name})`)).join();
  board.font = getComputedStyle(board.grid).fontFamily;
}

// Only for plotly.js itself; what is wrong with one chart is an error of ours, and belongs into the console.
function sayNotLoaded(board, error) {
  if (error.message !== NOT_LOADED) throw error;
  for (const { item, sentence, drawn } of board.cards.values()) if (item.figure && !drawn) setText(sentence, NOT_LOADED);
}

async function drawAll(board) {
  if (document.hidden) return; // drawn when the page is looked at again
  if (board.busy) {
    board.again = true;
    return;
  }
  board.busy = true;
  try {
    do {
      board.again = false;
      for (const state of [...board.cards.values()]) await draw(state, board);
    } while (board.again);
  } catch (error) {
    sayNotLoaded(board, error);
  } finally {
    board.busy = false;
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!boards.has(parentElement)) boards.set(parentElement, newBoard(parentElement));
  const board = boards.get(parentElement);
  board.report = setTriggerValue;
  board.grid.dataset.layout = data.layout;
  if (data.layout === "charts") loadPlotly().catch(() => {}); // before it is known which are in sight; drawAll says it
  arrange(board, data.items);
  readTheme(board);
  drawAll(board);
  return () => {
    document.removeEventListener("visibilitychange", board.onVisible);
    board.resizer.disconnect();
    board.sight.disconnect();
    for (const state of board.cards.values()) window.Plotly?.purge(state.plot);
    board.grid.remove(); // the same element may be mounted again, and would then hold two
    board.probe.remove();
    boards.delete(parentElement);
  };
}
