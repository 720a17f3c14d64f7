// Excerpts of the search: prose, with formulas in Unicode, and a blank between a title and what follows it, where Sphinx would show TeX and glue the two.
if (typeof Search !== "undefined") {
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const main = page.querySelector("article") ?? page.querySelector('[role="main"]');
    const part = (anchor && main?.querySelector(anchor)) || main;
    if (!part) return "";
    part.querySelectorAll(".headerlink, script, style, .linenos, .aligned, .track-map, .gv").forEach((element) => element.remove());
    part.querySelectorAll("[data-told]").forEach((element) => element.replaceChildren(element.dataset.told));
    part.querySelectorAll("h1, h2, h3, h4, summary, dt, th").forEach((element) => element.append(": "));
    part.querySelectorAll("p, li, td, pre, dd, figcaption, div").forEach((element) => element.append(" "));
    return part.textContent.replace(/\s+/g, " ").trim();
  };
}
