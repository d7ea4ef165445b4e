"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

/* Returns an SVG element with attributes. */
function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/* Returns a number as text for an axis. */
function tickText(value) {
  const short = Number(value.toPrecision(4));
  if (short !== 0 && Math.abs(short) < 1e-4) return short.toExponential();
  return Math.abs(short) >= 1000 ? short.toLocaleString("en") : String(short);
}

/* Returns about `count` round numbers at equal distances. */
function ticks([low, high], count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((m) => m * power >= raw * 0.999) ?? 10);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-9) + step * 1e-9; i++) found.push(i * step);
  return found;
}

/* Returns 1, 2 and 5 times powers of ten; equal distances where the ends differ by less than a factor of five. */
function logTicks([low, high]) {
  if (high < 5 * low) return ticks([low, high], 5);
  const sparse = high > 1e4 * low;
  const found = [];
  for (let k = Math.floor(Math.log10(low)); k <= Math.log10(high); k++) {
    for (const m of sparse ? [1] : [1, 2, 5]) {
      const tick = Number((m * 10 ** k).toPrecision(1));
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found;
}

/* Returns a range slightly wider than the known values. */
function extent(values) {
  const known = values.filter((v) => v !== null);
  if (!known.length) return [0, 1];
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  const margin = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
  return [low - margin, high + margin];
}

/* Draws axes as wide as their element; returns the plot and functions from numbers to pixels in it. */
function axes(holder, { label, x, y, log, xName, yName }) {
  const width = holder.clientWidth;
  const height = Math.round(Math.min(380, Math.max(230, width * 0.6)));
  const yTicks = log ? logTicks(y) : ticks(y, 5);
  const left = 30 + 7 * Math.max(...yTicks.map((t) => tickText(t).length));
  const box = { left, right: width - 22, top: 10, bottom: height - 42 };
  const on = (t, [low, high], from, to) => from + ((t - low) / (high - low)) * (to - from);
  const bend = log ? Math.log : (v) => v;
  const place = {
    x: (v) => on(v, x, box.left, box.right),
    y: (v) => on(bend(v), y.map(bend), box.bottom, box.top),
  };
  const clip = `clip-${label}`;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const inside = { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
  root.append(svg("clipPath", { id: clip }, svg("rect", inside)));
  for (const t of yTicks) {
    const at = place.y(t);
    root.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: at, y2: at }));
    root.append(svg("text", { x: box.left - 6, y: at + 4, "text-anchor": "end" }, tickText(t)));
  }
  for (const t of ticks(x, width < 420 ? 4 : 6)) {
    const at = place.x(t);
    root.append(svg("line", { class: "grid", x1: at, x2: at, y1: box.top, y2: box.bottom }));
    root.append(svg("text", { x: at, y: box.bottom + 16, "text-anchor": "middle" }, tickText(t)));
  }
  const middle = (box.top + box.bottom) / 2;
  root.append(svg("text", { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, xName));
  const turned = { transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle" };
  root.append(svg("text", turned, yName));
  const plot = svg("g", { "clip-path": `url(#${clip})` });
  root.append(plot);
  holder.replaceChildren(root);
  return { plot, place };
}

/* Returns the path through points; a missing number is a gap. */
function path(x, y, place) {
  let command = "M";
  let d = "";
  y.forEach((v, i) => {
    if (v === null) {
      command = "M";
      return;
    }
    d += `${command}${place.x(x[i]).toFixed(1)} ${place.y(v).toFixed(1)}`;
    command = "L";
  });
  return d;
}

function marker(style, x, y) {
  const shape = {
    o: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    s: "M-3.5 -3.5H3.5V3.5H-3.5Z",
    "^": "M0 -4.5L4.5 3.5H-4.5Z",
    D: "M0 -5L5 0L0 5L-5 0Z",
    v: "M0 4.5L4.5 -3.5H-4.5Z",
  }[data.style.markers[style % data.style.markers.length]];
  return svg("path", { d: shape, fill: colour(style), transform: `translate(${x} ${y})` });
}

const colour = (style) => `var(--line-${style % data.style.colours})`;
const dashes = (style) => data.style.dashes[style % data.style.dashes.length].map((n) => 2 * n).join(" ");

function drawChart(holder, number) {
  const chart = data.charts[number];
  const { lines, limits, reference } = chart;
  const ends = [0, 1.02 * Math.max(...lines.map(({ x }) => x[x.length - 1]))];
  const levels = reference ? [reference.level] : [];
  const seen = lines.flatMap(({ y, range }) => (range ? range.flat() : y));
  const { plot, place } = axes(holder, {
    label: `chart-${number}`,
    x: ends,
    y: limits ?? extent([...seen, ...levels]),
    log: limits !== null,
    xName: "training step",
    yName: chart.measure,
  });
  if (reference) {
    const [x1, x2] = ends.map(place.x);
    const y = place.y(reference.level);
    plot.append(svg("line", { class: "reference", x1, x2, y1: y, y2: y }));
  }
  for (const { x, y, range, style } of lines) {
    if (range) {
      const known = y.map((_, i) => i).filter((i) => y[i] !== null);
      const edge = (values, order) => order.map((i) => `${place.x(x[i])} ${place.y(values[i])}`);
      const points = [...edge(range[0], known), ...edge(range[1], known.toReversed())].join(" ");
      plot.append(svg("polygon", { class: "band", points, fill: colour(style) }));
    }
    const strokes = { stroke: colour(style), "stroke-dasharray": dashes(style) };
    plot.append(svg("path", { class: "line", d: path(x, y, place), ...strokes }));
    const every = Math.max(1, Math.floor(x.length / 8));
    for (let i = style % every; i < x.length; i += every) {
      if (y[i] !== null) plot.append(marker(style, place.x(x[i]), place.y(y[i])));
    }
  }
}

function drawLegend(list, number) {
  const { lines, reference } = data.charts[number];
  const entry = (name, ...drawn) => {
    const item = document.createElement("li");
    item.append(svg("svg", { width: 34, height: 14, "aria-hidden": "true" }, ...drawn), name);
    list.append(item);
  };
  const stroke = (attributes) => svg("line", { x1: 1, x2: 33, y1: 7, y2: 7, ...attributes });
  for (const { label, style } of lines) {
    const strokes = { class: "line", stroke: colour(style), "stroke-dasharray": dashes(style) };
    entry(label, stroke(strokes), marker(style, 17, 7));
  }
  if (reference) entry(reference.name, stroke({ class: "reference" }));
}

/* Shows the learned loss of one of several runs at the step of a slider; returns a function that draws it again. */
function explore(section) {
  const runs = data.losses[Number(section.dataset.losses)];
  const find = (query) => section.querySelector(query);
  const [choice, slider, output, fit, panels] = ["select", "[type=range]", "output", "[type=checkbox]", ".losses"].map(find);

  function draw() {
    const run = runs[Number(choice.value)];
    const now = Number(slider.value);
    output.textContent = run.captions[now];
    slider.setAttribute("aria-valuetext", run.captions[now]);
    const alike = run.curves.filter((_, i) => run.phases[i] === run.phases[now]);
    run.targets.forEach((target, t) => {
      const holder = panels.children[t].querySelector(".chart");
      const { plot, place } = axes(holder, {
        label: `loss-${section.dataset.losses}-${t}`,
        x: [run.x[0], run.x[run.x.length - 1]],
        y: extent(fit.checked ? run.curves[now][t] : alike.flatMap((curves) => curves[t])),
        log: false,
        xName: run.axis,
        yName: run.measure,
      });
      run.curves.forEach((curves, i) => {
        if (run.phases[i] !== run.phases[now]) return;
        plot.append(svg("path", { class: "past", d: path(run.x, curves[t], place), stroke: run.colours[i] }));
      });
      plot.append(svg("path", { class: "now", d: path(run.x, run.curves[now][t], place) }));
      holder.setAttribute("aria-label", `${run.measure}, ${target}, ${run.captions[now]}`);
    });
  }

  function choose() {
    const run = runs[Number(choice.value)];
    slider.max = run.captions.length - 1;
    slider.value = slider.max;
    panels.replaceChildren(
      ...run.targets.map((target) => {
        const figure = document.createElement("figure");
        const caption = document.createElement("figcaption");
        const chart = document.createElement("div");
        caption.textContent = target;
        chart.className = "chart";
        chart.setAttribute("role", "img");
        figure.append(caption, chart);
        return figure;
      }),
    );
    draw();
  }

  choice.addEventListener("change", choose);
  slider.addEventListener("input", draw);
  fit.addEventListener("change", draw);
  choose();
  return draw;
}

const charts = [...document.querySelectorAll("[data-chart]")];
const drawAll = charts.map((holder) => () => drawChart(holder, Number(holder.dataset.chart)));
drawAll.forEach((draw) => draw());
document.querySelectorAll("[data-legend]").forEach((list) => drawLegend(list, Number(list.dataset.legend)));
drawAll.push(...[...document.querySelectorAll("[data-losses]")].map(explore));

let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== width) drawAll.forEach((draw) => draw());
  width = window.innerWidth;
});
