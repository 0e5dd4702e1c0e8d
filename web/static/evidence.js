// Keeps the question by which the matrix is filtered in the page's address. The filter itself is CSS (`:has`), and works
// without this.
const radios = [...document.querySelectorAll("input[name=question]")];
const asked = new URLSearchParams(location.search).get("question");
const wanted = radios.find(({ value }) => value === asked);
if (wanted) wanted.checked = true;
for (const radio of radios)
  radio.addEventListener("change", () => {
    const url = new URL(location.href);
    if (radio.value === "all") url.searchParams.delete("question");
    else url.searchParams.set("question", radio.value);
    url.hash = "matrix";
    history.replaceState(null, "", url);
  });
