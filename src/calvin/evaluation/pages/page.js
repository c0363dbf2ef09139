"use strict";
(() => {
  const articles = [...document.querySelectorAll("article")];
  const boxes = [...document.querySelectorAll("input[data-system]")];
  const single = document.getElementById("single");
  const key = "calvin-marks:" + location.pathname;
  let at = 0;

  // Marks outlive a reload where the browser lets a local page store anything.
  try {
    const kept = new Set(JSON.parse(localStorage.getItem(key) || "[]"));
    boxes.forEach((box) => { box.checked = kept.has(box.name); });
  } catch { /* then they do not */ }

  const show = (index) => {
    at = Math.min(Math.max(index, 0), articles.length - 1);
    articles.forEach((article, place) => article.classList.toggle("shown", place === at));
  };
  const step = (by) => { if (single.checked) show(at + by); };

  if (single) {
    single.addEventListener("change", () => {
      document.body.classList.toggle("single", single.checked);
      show(Math.max(0, articles.findIndex((article) => "#" + article.id === location.hash)));
    });
    document.getElementById("before").addEventListener("click", () => step(-1));
    document.getElementById("after").addEventListener("click", () => step(1));
    document.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
  }

  boxes.forEach((box) => box.addEventListener("change", () => {
    const names = boxes.filter((other) => other.checked).map((other) => other.name);
    try { localStorage.setItem(key, JSON.stringify(names)); } catch { /* see above */ }
  }));

  const cell = (text) => {
    const guarded = /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
    return '"' + guarded.replaceAll('"', '""') + '"';
  };
  const button = document.getElementById("export");
  if (button) button.addEventListener("click", () => {
    const rows = [["id", "movie", "reference", "system", "caption", "acceptable"]];
    boxes.filter((box) => box.checked).forEach((box) => {
      const article = box.closest("article");
      const caption = box.closest("section").querySelector(".caption").textContent;
      const { scene, movie, reference } = article.dataset;
      rows.push([scene, movie, reference, box.dataset.system, caption, "acceptable though different"]);
    });
    const text = rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = "acceptable.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
