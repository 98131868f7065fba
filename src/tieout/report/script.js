(function () {
  "use strict";
  var table = document.getElementById("deals");
  var tools = document.getElementById("tools");
  if (!table) { return; }
  var body = table.tBodies[0];
  var rows = Array.from(body.rows);

  // Amounts are added up in cents: whole numbers, so that nothing is lost.
  function cents(row) {
    return Number(row.cells[4].textContent.trim().replace(".", ""));
  }

  function plain(sum) {
    var digits = String(Math.abs(sum)).padStart(3, "0");
    var whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, "\u2009");
    return (0 > sum ? "\u2212" : "") + whole + "." + digits.slice(-2);
  }

  function filter(search, only, told) {
    var wanted = search.value.trim().toLowerCase();
    var shown = 0;
    var gap = 0;
    rows.forEach(function (row) {
      var agrees = row.cells[4].classList.contains("zero");
      var found = row.textContent.toLowerCase().includes(wanted);
      row.hidden = !found || (only.checked ? agrees : false);
      if (!row.hidden) {
        shown += 1;
        gap += cents(row);
      }
    });
    told.textContent = shown === rows.length ? ""
      : shown + " of " + rows.length + " rows, gap " + plain(gap);
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
    var told = tools.querySelector("output");
    var run = function () { filter(search, only, told); };
    tools.hidden = false;
    search.addEventListener("input", run);
    only.addEventListener("change", run);
    document.querySelectorAll(".fall .who a").forEach(function (jump) {
      jump.addEventListener("click", function () {
        // A cause shows its deals; the one that was named by itself may not stay hidden.
        search.value = jump.dataset.find || "";
        only.checked = false;
        run();
      });
    });
  }
  Array.from(table.tHead.rows[0].cells).forEach(function (head) {
    if (!head.dataset.sort) { return; }
    // Not a button element: Chromium leaves those out of a table's head on the next pages of paper.
    var button = document.createElement("span");
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.textContent = head.textContent;
    button.addEventListener("click", function () { sort(head); });
    button.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(head); }
    });
    head.replaceChildren(button);
  });
})();
