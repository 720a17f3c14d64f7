// What leaves the column of a page, is to be scrolled sideways, was made too small to be read, or is a word broken in a table: one line of words for each.
// On a phone, what cannot be made smaller is scrolled in its own box.
() => {
  const least = { letters: 9, formula: 5.2 /* pixels an ex */, figure: 500 }, phone = innerWidth < 700;
  const own = phone ? ".aligned pre, .pst-scrollable-table-container, .jp-RenderedHTMLCommon table, mjx-container[display], figure, .jp-RenderedImage" : "nothing";
  const column = document.querySelector("article") ?? document.querySelector("main"), told = [];
  const { left, right } = column.getBoundingClientRect();
  const skipped = "svg *, mjx-assistive-mml, mjx-assistive-mml *, .visually-hidden, .sd-stretched-link, .headerlink, pre span";      // blanks at the end of a wrapped line hang
  const says = (fault, element) => told.push(`${fault}: ${element.tagName} ${element.className.baseVal ?? element.className}: ${(element.textContent ?? "").trim().slice(0, 60)}`);
  for (const unfolded of column.querySelectorAll("details")) unfolded.open = true;
  for (const element of column.querySelectorAll("*")) {
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (element.matches(skipped) || !box.width || style.visibility === "hidden") continue;
    if (!element.parentElement.closest(own) && (box.right > right + 1 || box.left < left - 1)) says("leaves the column", element);
    else if (!element.matches(own) && element.matches("div, pre, p, table, figure, li, mjx-container[display]") && style.display !== "inline" && element.scrollWidth > element.clientWidth + 1 &&
             ["auto", "scroll", "hidden"].includes(style.overflowX)) says("scrolls", element);
    if (element.matches("pre") && parseFloat(style.fontSize) < least.letters) says("small letters", element);
    if (element.matches("figure img, .jp-RenderedImage img") && box.width < least.figure) says("small figure", element);
    if (element.matches("mjx-container > svg") && box.width / parseFloat(element.getAttribute("width")) < least.formula) says("small formula", element.parentElement);
  }
  const texts = document.createTreeWalker(column, NodeFilter.SHOW_TEXT), range = document.createRange();
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!text.parentElement.closest("td, th") || text.parentElement.closest("svg, mjx-container, .visually-hidden")) continue;
    for (const word of text.data.matchAll(/[\p{L}\p{N}]+/gu)) {
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const tops = [...range.getClientRects()].filter((part) => part.width).map((part) => part.top);
      if (Math.max(...tops) > Math.min(...tops) + 3) told.push(`broken word: ${word[0]} in ${text.data.trim().slice(0, 60)}`);
    }
  }
  return told;
}
