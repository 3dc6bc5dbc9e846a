// Sorting and filters of tables. Without this script the page shows the same tables, whole and in their order.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  table.querySelectorAll("th").forEach((th, column) => {
    const name = th.firstChild;
    if (!name || !name.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name.textContent;
    th.replaceChild(button, name);
    button.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.s ?? row.cells[column].textContent;
      const sorted = rows.slice().sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const [p, q] = [parseFloat(x), parseFloat(y)];
        const order = isNaN(p) || isNaN(q) ? (isNaN(p) ? 1 : 0) - (isNaN(q) ? 1 : 0) || x.localeCompare(y) : p - q;
        return down ? -order : order;
      });
      body.append(...sorted);
    });
  });
  const filters = table.closest(".wide").previousElementSibling;
  if (filters && filters.classList.contains("filters")) {
    filters.hidden = false;
    const selects = [...filters.querySelectorAll("select")];
    filters.addEventListener("change", () => {
      for (const row of rows)
        row.hidden = selects.some((s) => s.value && row.cells[s.dataset.column].textContent !== s.value);
    });
  }
}
