// A displayed formula is made smaller only as far as it can be read; then it is scrolled in its own box.
addEventListener("load", () => window.MathJax?.startup?.promise?.then(() => {
  const least = 0.68;   // of its own size: a subscript is then about as tall as small print
  for (const formula of document.querySelectorAll('mjx-container[display="true"] > svg')) {
    formula.style.minWidth = `${least * parseFloat(formula.getAttribute("width"))}ex`;
  }
}));
