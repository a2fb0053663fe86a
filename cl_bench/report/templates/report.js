for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells].filter((head) => head.querySelector("button"));
  heads.forEach((head, column) => {
    head.firstElementChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        const text = cell.dataset.sort ?? cell.textContent.trim();
        const number = Number(text);
        return text === "" || Number.isNaN(number) ? text : number;
      };
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (typeof x === typeof y) return x < y ? -1 : x > y ? 1 : 0;
        return typeof x === "number" ? -1 : 1;
      };
      const rows = [...table.tBodies[0].rows].sort(order);
      if (down) rows.reverse();
      table.tBodies[0].append(...rows);
    });
  });
}

// the filter: table rows by their own words, pictures by the number of the row that they show
const filter = document.querySelector(".filter");
if (filter) {
  const names = ["method", "dataset"];
  const drawn = JSON.parse(filter.dataset.rows);
  const selects = [...filter.querySelectorAll("select")];
  const apply = () => {
    const wanted = selects.filter((select) => select.value !== "");
    const shows = (row) => wanted.every((s) => drawn[row][names.indexOf(s.dataset.filter)] === s.value);
    for (const table of document.querySelectorAll("table")) {
      const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
      for (const row of table.tBodies[0].rows)
        row.hidden = wanted.some((select) => {
          const column = heads.indexOf(select.dataset.heading);
          return column >= 0 && row.cells[column].textContent.trim() !== select.value;
        });
    }
    for (const part of document.querySelectorAll("[data-series]"))
      part.style.display = shows(Number(part.dataset.series)) ? "" : "none";
    for (const chart of document.querySelectorAll("figure.chart")) {
      const parts = [...chart.querySelectorAll("[data-series]")];
      chart.hidden = parts.length > 0 && parts.every((part) => part.style.display === "none");
    }
    for (const matrix of document.querySelectorAll("figure.matrix"))
      matrix.hidden = !shows(Number(matrix.dataset.row));
  };
  selects.forEach((select) => select.addEventListener("change", apply));
}

for (const matrix of document.querySelectorAll("figure.matrix")) {
  const [left, top, width, height] = JSON.parse(matrix.dataset.box);
  const numbers = JSON.parse(matrix.dataset.numbers);
  const rows = JSON.parse(matrix.dataset.rows);
  const svg = matrix.querySelector("svg");
  const told = matrix.querySelector("output");
  const rest = told.textContent;
  let values = null;
  const tell = (event) => {
    values ??= JSON.parse(matrix.dataset.values);
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width - left) / width;
    const y = ((event.clientY - box.top) / box.height - top) / height;
    const [row, column] = [Math.floor(y * values.length), Math.floor(x * numbers.length)];
    const value = values[row]?.[column];
    const after = row === 0 ? "untrained" : `after task ${rows[row - 1]}`;
    const shown = value === null ? "not measured" : `${value?.toFixed(1)} %`;
    told.textContent =
      value === undefined ? rest : `${after}, on task ${numbers[column]}: ${shown}`;
  };
  svg.addEventListener("pointermove", tell);
  svg.addEventListener("pointerdown", tell);
  svg.addEventListener("pointerleave", () => (told.textContent = rest));
}

const copied = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};
for (const button of document.querySelectorAll("button.copy"))
  button.addEventListener("click", async () => {
    const words = button.textContent;
    await copied(button.dataset.command);
    button.textContent = "copied";
    setTimeout(() => (button.textContent = words), 1200);
  });
