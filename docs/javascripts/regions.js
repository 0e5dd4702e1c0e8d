// A table or code that scrolls takes the keyboard's focus, so that arrow keys scroll it; the build has made all of them
// focusable (`web/documentation_regions.py`). Where nothing scrolls, there is nothing to focus.
const update = (region) => {
  if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
  else region.removeAttribute("tabindex");
};
const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => update(target)));
for (const region of document.querySelectorAll(".table-region, pre > code")) observer.observe(region);
