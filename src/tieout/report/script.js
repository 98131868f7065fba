(function () {
  "use strict";
  var table = document.getElementById("deals");
  var tools = document.getElementById("tools");
  if (!table) { return; }
  var body = table.tBodies[0];
  var rows = Array.from(body.rows);

  function filter(search, only) {
    var wanted = search.value.trim().toLowerCase();
    rows.forEach(function (row) {
      var found = row.textContent.toLowerCase().includes(wanted);
      var gap = row.cells[4].classList.contains("zero");
      row.hidden = !found || (only.checked ? gap : false);
    });
  }

  function value(row, column, numeric) {
    var text = row.cells[column].textContent.trim();
    return numeric ? Number(text) : text;
  }

  function sort(head) {
    var column = head.cellIndex;
    var numeric = head.dataset.sort === "number";
    var up = head.getAttribute("aria-sort") !== "ascending";
    Array.from(head.parentNode.cells).forEach(function (cell) {
      cell.removeAttribute("aria-sort");
    });
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    rows.sort(function (one, other) {
      var a = value(one, column, numeric);
      var b = value(other, column, numeric);
      var order = numeric ? a - b : a.localeCompare(b, undefined, { numeric: true });
      return up ? order : -order;
    });
    rows.forEach(function (row) { body.appendChild(row); });
  }

  if (tools) {
    var search = tools.querySelector("input[type=search]");
    var only = tools.querySelector("input[type=checkbox]");
    var run = function () { filter(search, only); };
    tools.hidden = false;
    search.addEventListener("input", run);
    only.addEventListener("change", run);
  }
  Array.from(table.tHead.rows[0].cells).forEach(function (head) {
    if (!head.dataset.sort) { return; }
    head.tabIndex = 0;
    head.addEventListener("click", function () { sort(head); });
    head.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(head); }
    });
  });
})();
