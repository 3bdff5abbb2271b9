(() => {
"use strict";
const root = document.documentElement;
const all = (where, what) => Array.from(where.querySelectorAll(what));
root.classList.add("js");

/* Light and dark: what the system says, until the reader says otherwise. */
const remembered = (value) => {
  try {
    if (value) localStorage.setItem("chainrule-theme", value);
    return localStorage.getItem("chainrule-theme");
  } catch { return null; }
};
const asked = /theme=(light|dark)/.exec(location.hash);
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme:dark)").matches ? "dark" : "light")) === "dark";
const start = asked ? asked[1] : remembered();
if (start === "light" || start === "dark") root.dataset.theme = start;
const theme = document.createElement("button");
theme.type = "button";
theme.className = "theme";
const nameTheme = () => { theme.textContent = isDark() ? "☀ light" : "☾ dark"; };
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  remembered(root.dataset.theme);
  nameTheme();
});
nameTheme();
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", nameTheme);
document.querySelector("header.top").append(theme);

/* The section in view stands out in the contents. */
const links = new Map(all(document, "nav.contents a").map((link) => [link.getAttribute("href").slice(1), link]));
if (links.size && "IntersectionObserver" in window) {
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link, key) => link.classList.toggle("here", key === entry.target.id));
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  all(document, "main > section").forEach((section) => seen.observe(section));
}

/* Copy buttons. */
for (const button of all(document, ".copy")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const code = button.parentElement.querySelector("code");
    const done = () => { button.textContent = "copied"; setTimeout(() => { button.textContent = "copy"; }, 1500); };
    const byHand = () => {
      getSelection().selectAllChildren(code);
      if (document.execCommand("copy")) done();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, byHand);
    else byHand();
  });
}

/* Tables that sort. Cells without a number stay at the end. */
for (const table of all(document, ".sortable table")) {
  const heads = all(table, "thead th");
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => {
      const number = head.classList.contains("number");
      const first = number ? "descending" : "ascending";
      const other = number ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const words = new Intl.Collator(undefined, { numeric: true });
      const rows = all(table, "tbody tr").map((row) => ({ row, cell: row.children[column] }));
      rows.sort((a, b) => {
        if (!number) return sign * words.compare(a.cell.textContent, b.cell.textContent);
        const x = a.cell.dataset.sort, y = b.cell.dataset.sort;
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
        return sign * (x - y);
      });
      table.tBodies[0].append(...rows.map((one) => one.row));
    });
  });
}

/* The map of a large confusion matrix names the cell under the pointer. */
for (const map of all(document, ".map")) {
  const { names, counts } = JSON.parse(map.querySelector("script").textContent);
  const box = map.querySelector("svg"), read = map.querySelector(".map-read"), still = read.textContent;
  const cells = new Map(), totals = new Array(names.length).fill(0);
  for (const [truth, predicted, count] of counts) {
    cells.set(truth * names.length + predicted, count);
    totals[truth] += count;
  }
  box.addEventListener("pointermove", (event) => {
    const area = box.getBoundingClientRect();
    const column = Math.min(names.length - 1, Math.floor((event.clientX - area.left) / area.width * names.length));
    const row = Math.min(names.length - 1, Math.floor((event.clientY - area.top) / area.height * names.length));
    if (row < 0 || column < 0) return;
    const count = cells.get(row * names.length + column) || 0;
    read.textContent = `${names[row]} → ${names[column]}: ${count} of ${totals[row]}`;
  });
  box.addEventListener("pointerleave", () => { read.textContent = still; });
}

/* Charts. Places are in the SVG's box of 1000 x 1000, which stretches with the page. */
const SVG = "http://www.w3.org/2000/svg";
const numberText = (value, share) => {
  if (share) {
    if (value === 0 || value === 1) return `${100 * value} %`;
    return `${(value < 1 ? Math.min(100 * value, 99.9) : 100 * value).toFixed(1)} %`;
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size >= 1e4 && size < 1e15) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
};
const linearTicks = (low, high, count) => {
  const rough = high / count - low / count;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.9);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k <= Math.floor(high / step + 1e-9) && ticks.length < 20; k++) {
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return ticks;
};
const logTicks = (low, high, count) => {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const wide = Math.log10(high / low) > 2.4, every = Math.max(1, Math.ceil((last - first) / count));
  const ticks = [];
  for (let power = first; power <= last; power += wide ? every : 1) {
    for (const factor of wide ? [1] : [1, 2, 5]) ticks.push(Number(`${factor}e${power}`));
  }
  const inside = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return inside.length >= 2 ? inside : linearTicks(low, high, count);
};
/* Index of the first x that is not below the value. */
const lowerBound = (x, value) => {
  let low = 0, high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
};

class Chart {
  constructor(figure, group) {
    this.figure = figure;
    this.group = group;
    this.data = JSON.parse(figure.querySelector("script").textContent);
    this.area = figure.querySelector(".area");
    this.plot = figure.querySelector(".plot");
    this.svg = this.area.querySelector("svg");
    this.selection = figure.querySelector(".selection");
    this.where = figure.querySelector(".where");
    this.log = this.data.log;
    this.keys = all(figure, ".key");
    this.lines = all(this.svg, ".line");
    this.hidden = this.lines.map(() => false);
    this.pointers = new Map();
    this.keys.forEach((key, index) => {
      key.disabled = false;
      key.addEventListener("click", () => {
        this.hidden[index] = !this.hidden[index];
        key.setAttribute("aria-pressed", String(!this.hidden[index]));
        this.draw();
      });
    });
    figure.querySelector(".tools").hidden = false;
    for (const button of all(figure, ".tools button")) {
      button.addEventListener("click", () => this.command(button.dataset.do, button));
    }
    this.plot.tabIndex = 0;
    this.listen();
  }

  listen() {
    const area = this.area;
    area.addEventListener("wheel", (event) => {
      if (!(event.ctrlKey || event.metaKey || this.plot.contains(document.activeElement))) return;
      event.preventDefault();
      this.group.zoom(this.value(event), Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.008));
    }, { passive: false });
    area.addEventListener("dblclick", () => this.group.reset());
    area.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      this.plot.focus({ preventScroll: true });
      this.pointers.set(event.pointerId, event.clientX);
      if (event.pointerType === "touch") return;
      area.setPointerCapture(event.pointerId);
      this.drag = { x: event.clientX, value: this.value(event), pan: event.shiftKey, range: this.group.range.slice() };
    });
    area.addEventListener("pointermove", (event) => this.move(event));
    const end = (event) => this.release(event);
    area.addEventListener("pointerup", end);
    area.addEventListener("pointercancel", end);
    area.addEventListener("pointerleave", () => { if (!this.drag) this.group.read(null); });
    this.plot.addEventListener("keydown", (event) => this.key(event));
  }

  value(event) {
    const box = this.area.getBoundingClientRect(), [low, high] = this.group.range;
    return low + (high - low) * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  }

  move(event) {
    if (this.pointers.size === 2 && this.pointers.has(event.pointerId)) {
      const before = Array.from(this.pointers.values());
      this.pointers.set(event.pointerId, event.clientX);
      const after = Array.from(this.pointers.values());
      const middle = { clientX: (after[0] + after[1]) / 2 };
      this.group.zoom(this.value(middle), Math.max(20, Math.abs(before[0] - before[1])) / Math.max(20, Math.abs(after[0] - after[1])));
      return;
    }
    if (this.drag && this.drag.pan) {
      const [low, high] = this.drag.range, width = this.area.clientWidth;
      const by = (this.drag.x - event.clientX) / width * (high - low);
      this.group.show(low + by, high + by);
      return;
    }
    if (this.drag) {
      const box = this.area.getBoundingClientRect();
      const from = Math.min(this.drag.x, event.clientX) - box.left, to = Math.max(this.drag.x, event.clientX) - box.left;
      this.selection.hidden = false;
      this.selection.style.left = `${Math.max(0, from)}px`;
      this.selection.style.width = `${Math.min(box.width, to) - Math.max(0, from)}px`;
    }
    this.group.read(this.value(event));
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    const drag = this.drag;
    this.drag = null;
    this.selection.hidden = true;
    if (!drag || drag.pan || event.type === "pointercancel" || Math.abs(event.clientX - drag.x) < 6) return;
    const here = this.value(event);
    this.group.show(Math.min(drag.value, here), Math.max(drag.value, here));
  }

  key(event) {
    if (event.target !== this.plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const [low, high] = this.group.range, step = (high - low) / 40;
    const at = this.group.at === null ? (low + high) / 2 : this.group.at;
    const moves = { ArrowLeft: -step, ArrowRight: step };
    if (event.key in moves && event.shiftKey) this.group.show(low + 4 * moves[event.key], high + 4 * moves[event.key]);
    else if (event.key in moves) {
      this.where.setAttribute("aria-live", "polite");
      this.group.read(Math.max(low, Math.min(high, at + moves[event.key])));
    } else if (event.key === "+" || event.key === "=") this.group.zoom(at, 0.6);
    else if (event.key === "-") this.group.zoom(at, 1 / 0.6);
    else if (event.key === "0" || event.key === "Escape") this.group.reset();
    else return;
    event.preventDefault();
  }

  command(name, button) {
    const [low, high] = this.group.range, middle = (low + high) / 2;
    if (name === "in") this.group.zoom(middle, 0.5);
    if (name === "out") this.group.zoom(middle, 2);
    if (name === "reset") this.group.reset();
    if (name === "log") {
      this.log = !this.log;
      button.setAttribute("aria-pressed", String(this.log));
      this.draw();
    }
  }

  /* Points from just before to just after the range. */
  inView(line) {
    const [low, high] = this.group.range;
    return [Math.max(0, lowerBound(line.x, low) - 1), Math.min(line.x.length, lowerBound(line.x, high) + 1)];
  }

  fit() {
    let low = Infinity, high = -Infinity;
    const [from, to] = this.group.range;
    this.data.lines.forEach((line, index) => {
      if (this.hidden[index]) return;
      const { x, y } = line.raw;
      for (let [k, end] = this.inView(line.raw); k < end; k++) {
        const value = y[k];
        if (value === null || (this.log && value <= 0) || ((x[k] < from || x[k] > to) && end > 4)) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    });
    if (low > high) return this.log ? [0.1, 1] : [0, 1];
    if (this.log) {
      const room = high > low ? (high / low) ** 0.04 : 2;
      return [Math.max(low / room, 5e-324), Math.min(high * room, 1.7e308)];
    }
    const room = high > low ? (high / 2 - low / 2) * 0.1 : Math.max(Math.abs(high) * 0.1, high ? 1e-12 : 1);
    const top = this.data.share && high <= 1 ? Math.min(high + room, 1) : high + room;
    const bottom = this.data.share && low >= 0 ? Math.max(low - room, 0) : low - room;
    return top > bottom ? [bottom, top] : [bottom - 1, top + 1];
  }

  draw() {
    const [left, right] = this.group.range, [low, high] = this.fit();
    const across = (x) => 1000 * (x - left) / (right - left);
    const place = this.log
      ? (y) => (Math.log10(y) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))
      : (y) => (y / 2 - low / 2) / (high / 2 - low / 2);
    const down = (y) => Math.max(-1e5, Math.min(1e5, 1000 * (1 - place(y))));
    const bad = (y) => y === null || (this.log && y <= 0);
    this.lines.forEach((line, index) => {
      line.style.display = this.hidden[index] ? "none" : "";
      const { raw, smooth } = this.data.lines[index];
      const path = (points) => this.path(points, across, down, bad);
      line.querySelector(".main").setAttribute("d", path(smooth || raw));
      const faint = line.querySelector(".faint"), dots = line.querySelector(".dots");
      if (faint) faint.setAttribute("d", path(raw));
      if (dots) dots.setAttribute("d", raw.x.map((x, k) => bad(raw.y[k]) ? "" : `M${across(x).toFixed(1)} ${down(raw.y[k]).toFixed(1)}h0`).join(""));
    });
    const yTicks = (this.log ? logTicks : linearTicks)(low, high, 5);
    this.axis(".axis.y", yTicks, "top", (tick) => 100 * (1 - place(tick)), this.data.share);
    this.axis(".axis.x", linearTicks(left, right, this.area.clientWidth < 320 ? 4 : 5), "left", (tick) => across(tick) / 10, false);
    const group = (name, paths) => this.svg.querySelector(name).replaceChildren(...paths);
    group(".grid", yTicks.map((tick) => this.stroke(`M0 ${down(tick).toFixed(1)}H1000`)));
    group(".marks", this.data.marks.filter((mark) => mark.x >= left && mark.x <= right).map((mark) => this.stroke(`M${across(mark.x).toFixed(1)} 0V1000`)));
    this.across = across;
  }

  stroke(d) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    return path;
  }

  axis(name, ticks, side, at, share) {
    this.figure.querySelector(name).replaceChildren(...ticks.map((tick) => {
      const label = document.createElement("span");
      label.style[side] = `${at(tick)}%`;
      label.textContent = share ? `${Number((100 * tick).toPrecision(6))} %` : numberText(tick, false);
      return label;
    }));
  }

  /* Of all points that fall on one pixel the lowest and the highest are drawn, in their order. */
  path(points, across, down, bad) {
    const [start, end] = this.inView(points), { x, y } = points;
    const columns = Math.max(200, this.area.clientWidth || 600);
    const parts = [];
    let pen = "M", pixel = null, low = -1, high = -1;
    const flush = () => {
      if (low < 0) return;
      for (const k of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
        parts.push(`${pen}${across(x[k]).toFixed(1)} ${down(y[k]).toFixed(1)}`);
        pen = "L";
      }
      low = high = -1;
    };
    const every = end - start <= 2 * columns;
    for (let k = start; k < end; k++) {
      if (bad(y[k])) { flush(); pen = "M"; pixel = null; continue; }
      const here = every ? k : Math.floor(across(x[k]) / 1000 * columns);
      if (here !== pixel) { flush(); pixel = here; }
      if (low < 0 || y[k] < y[low]) low = k;
      if (high < 0 || y[k] > y[high]) high = k;
    }
    flush();
    return parts.join("");
  }

  read(at) {
    const cross = this.svg.querySelector(".cross");
    cross.setAttribute("d", at === null ? "" : `M${this.across(at).toFixed(1)} 0V1000`);
    if (at === null) {
      this.keys.forEach((key) => { key.querySelector(".value").textContent = ""; });
      this.where.textContent = this.data.xLabel;
      return;
    }
    const [low, high] = this.group.range;
    const words = [];
    this.data.lines.forEach((line, index) => {
      const { x, y } = line.smooth || line.raw;
      let k = lowerBound(x, at);
      if (k > 0 && (k === x.length || at - x[k - 1] < x[k] - at)) k -= 1;
      const known = x.length && !this.hidden[index] && x[k] >= low && x[k] <= high;
      const text = !known ? "" : y[k] === null ? "not finite" : numberText(y[k], this.data.share);
      const key = this.keys[index];
      key.querySelector(".value").textContent = text;
      if (text) words.push(`${key.querySelector(".name").textContent} ${text}`);
    });
    const near = this.data.marks.find((mark) => Math.abs(mark.x - at) < (high - low) / 80);
    const step = `${this.data.xLabel} ${numberText(high - low > 20 ? Math.round(at) : at, false)}`;
    const spoken = this.where.hasAttribute("aria-live") && this.plot === document.activeElement ? `: ${words.join(", ")}` : "";
    this.where.textContent = step + (near ? ` · ${near.label}` : "") + spoken;
  }
}

/* Charts of one group share their range of steps and the place that is read. */
class Group {
  constructor(element) {
    this.at = null;
    const ends = [];
    this.charts = all(element, "[data-chart]").map((figure) => new Chart(figure, this));
    for (const chart of this.charts) {
      for (const { raw: { x } } of chart.data.lines) if (x.length) ends.push(x[0], x[x.length - 1]);
    }
    let low = Infinity, high = -Infinity;
    for (const end of ends) { low = Math.min(low, end); high = Math.max(high, end); }
    if (low > high) [low, high] = [0, 1];
    this.full = high > low ? [low, high] : [low - 0.5, low + 0.5];
    this.reset();
    if ("ResizeObserver" in window) {
      const watch = new ResizeObserver(() => this.draw());
      this.charts.forEach((chart) => watch.observe(chart.area));
    }
  }

  show(low, high) {
    const [first, last] = this.full, width = Math.min(Math.max(high - low, (last - first) / 1e5), last - first);
    const from = Math.max(first, Math.min(low, last - width));
    this.range = [from, from + width];
    this.draw();
  }

  zoom(at, factor) {
    const [low, high] = this.range;
    this.show(at - (at - low) * factor, at + (high - at) * factor);
  }

  reset() {
    this.range = this.full.slice();
    this.draw();
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.charts.forEach((chart) => { chart.draw(); chart.read(this.at); });
    });
  }

  read(at) {
    this.at = at;
    this.charts.forEach((chart) => { if (chart.across) chart.read(at); });
  }
}
all(document, "[data-group]").forEach((element) => new Group(element));
})();
