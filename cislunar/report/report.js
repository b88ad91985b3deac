"use strict";
(function () {
  var config = {displaylogo: false, responsive: true, locale: "en",
    modeBarButtonsToRemove: ["lasso2d", "select2d", "sendDataToCloud", "autoScale2d"]};
  function draw(box) {
    if (box.dataset.drawn || !box.offsetParent) { return; }
    box.dataset.drawn = "1";
    var made = spec(box);
    box.style.minHeight = made.layout.height + "px";
    Plotly.newPlot(box, made.data, made.layout, config);
  }
  var boxes = Array.prototype.slice.call(document.querySelectorAll(".figure"));
  boxes.forEach(function (box) {
    var source = document.getElementById("data-" + box.dataset.figure).textContent;
    var height = /"height":(\d+)/.exec(source);
    if (height) { box.style.minHeight = height[1] + "px"; }
  });
  // one after another, so that the page answers while the later ones are drawn; and not before
  // the page's font is there, as figures measure their words
  document.fonts.ready.then(function () { setTimeout(function () { drawFrom(0); }, 0); });
  function drawFrom(i) {
    if (i < boxes.length) {
      draw(boxes[i]);
      setTimeout(function () { drawFrom(i + 1); }, 0);
    }
  }
  function spec(box) {
    return JSON.parse(document.getElementById("data-" + box.dataset.figure).textContent);
  }
  // on paper every tab is laid out, at a width that a page holds, in colours without patterns
  function onPaper(box) {
    var made = spec(box);
    made.data.forEach(function (trace) {
      if (trace.meta && trace.meta.plain) { trace.marker = {color: trace.meta.plain}; }
    });
    made.layout.width = 980;
    made.layout.height = Math.min(made.layout.height, made.layout.height > 900 ? 690 : 620);
    made.layout.autosize = false;
    return made;
  }
  var panels = Array.prototype.slice.call(document.querySelectorAll(".panel"));
  function paper(on) {
    panels.forEach(function (panel) {
      if (on && panel.dataset.shut === undefined) { panel.dataset.shut = panel.hidden ? "1" : ""; }
      panel.hidden = on ? false : panel.dataset.shut === "1";
      if (!on) { delete panel.dataset.shut; }
    });
    boxes.forEach(function (box) {
      if (!on && !box.dataset.drawn) { return; }
      var made = on ? onPaper(box) : spec(box);
      box.dataset.drawn = "1";
      box.style.minHeight = made.layout.height + "px";
      Plotly.react(box, made.data, made.layout, config);
    });
  }
  window.addEventListener("beforeprint", function () { paper(true); });
  window.addEventListener("afterprint", function () { paper(false); });

  document.querySelectorAll(".tabs").forEach(function (group) {
    var buttons = group.querySelectorAll("[role=tab]");
    buttons.forEach(function (button) {
      button.addEventListener("click", function () {
        buttons.forEach(function (b) {
          var on = b === button;
          b.setAttribute("aria-selected", on ? "true" : "false");
          document.getElementById(b.getAttribute("aria-controls")).hidden = !on;
        });
        var panel = document.getElementById(button.getAttribute("aria-controls"));
        panel.querySelectorAll(".figure").forEach(function (box) {
          if (box.dataset.drawn) { Plotly.Plots.resize(box); } else { draw(box); }
        });
      });
    });
  });

  var table = document.getElementById("scorecard-table");
  var selects = document.querySelectorAll("select[data-filter]");
  function filter() {
    var want = {};
    selects.forEach(function (s) { want[s.dataset.filter] = s.value; });
    table.querySelectorAll("tbody tr").forEach(function (row) {
      row.hidden = Object.keys(want).some(function (k) {
        return want[k] && row.dataset[k] !== want[k];
      });
    });
  }
  selects.forEach(function (s) { s.addEventListener("change", filter); });
})();
