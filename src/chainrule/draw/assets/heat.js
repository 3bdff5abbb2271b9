(() => {
"use strict";
for (const figure of document.querySelectorAll("[data-heat]")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const area = figure.querySelector(".heat-area"), where = figure.querySelector(".heat-where");
  const say = (event) => {
    const box = area.getBoundingClientRect();
    const place = (at, start, size, count) => Math.min(count - 1, Math.max(0, Math.floor((at - start) / size * count)));
    const row = place(event.clientY, box.top, box.height, data.rows.length);
    const column = place(event.clientX, box.left, box.width, data.columns.length);
    const value = data.values[row * data.columns.length + column] / 1000 * data.limit;
    where.textContent = `${data.rows[row]}  ${column + 1}: ${data.columns[column]}  ${Number(value.toPrecision(3))}`;
  };
  area.addEventListener("pointermove", say);
  area.addEventListener("pointerdown", say);
  area.addEventListener("pointerleave", () => { where.textContent = "\u00a0"; });
}
})();
