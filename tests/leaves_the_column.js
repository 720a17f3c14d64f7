// What leaves the column of a page, is to be scrolled sideways, or was made too small to be read: one line of words for each.
() => {
  const column = document.querySelector("article") ?? document.querySelector("main"), told = [];
  const { left, right } = column.getBoundingClientRect();
  const skipped = "svg *, mjx-assistive-mml, mjx-assistive-mml *, .visually-hidden, .sd-stretched-link, .headerlink, pre span";      // blanks at the end of a wrapped line hang
  const says = (fault, element) => told.push(`${fault}: ${element.tagName} ${element.className.baseVal ?? element.className}: ${(element.textContent ?? "").trim().slice(0, 60)}`);
  for (const unfolded of column.querySelectorAll("details")) unfolded.open = true;
  for (const element of column.querySelectorAll("*")) {
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (element.matches(skipped) || !box.width || style.visibility === "hidden") continue;
    if (box.right > right + 1 || box.left < left - 1) says("leaves the column", element);
    else if (element.matches("div, pre, p, table, figure, li, mjx-container[display]") && style.display !== "inline" && element.scrollWidth > element.clientWidth + 1 &&
             ["auto", "scroll", "hidden"].includes(style.overflowX)) says("scrolls", element);
    if (element.matches("pre") && parseFloat(style.fontSize) < 7) says("small letters", element);
    if (element.matches("mjx-container > svg") && box.width / parseFloat(element.getAttribute("width")) < 4.2) says("small formula", element.parentElement);
  }
  return told;
}
