(() => {
"use strict";
/* Paths over a landscape: a slider through the steps, a button that plays them, names that hide a path. */
for (const figure of document.querySelectorAll("[data-landscape]")) {
  const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
  const slider = figure.querySelector("input"), said = figure.querySelector("output"), play = figure.querySelector(".play");
  const trails = Array.from(figure.querySelectorAll("g.trail"));
  const show = () => {
    const step = data.frames[Number(slider.value)];
    trails.forEach((trail, index) => {
      const all = data.trails[index], count = Math.min(2 * step + 2, all.length), shown = all.slice(0, count);
      trail.querySelector("polyline").setAttribute("points", shown.join(" "));
      const head = trail.querySelector("circle");
      head.setAttribute("cx", shown[count - 2]);
      head.setAttribute("cy", shown[count - 1]);
    });
    said.textContent = `step ${step}`;
  };
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶"; play.setAttribute("aria-label", "Play"); };
  slider.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer !== null) { stop(); return; }
    if (slider.value === slider.max) slider.value = 0;
    show();
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    }, 90);
  });
  for (const key of figure.querySelectorAll("button.key")) {
    key.disabled = false;
    key.addEventListener("click", () => {
      const hidden = key.getAttribute("aria-pressed") === "true";
      key.setAttribute("aria-pressed", String(!hidden));
      trails[Number(key.dataset.trail)].style.display = hidden ? "none" : "";
    });
  }
}
})();
