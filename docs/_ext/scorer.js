/* What the search ranks by: the theme's numbers, and how many of the words stand in the title. The changelog has every word. */
const asked = (new URLSearchParams(window.location.search).get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);

var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([page, title, , , score]) => {
    const words = title.toLowerCase().split(/[^a-z0-9-]+/);
    const inTitle = asked.filter((word) => words.includes(word)).length;
    return page === "changelog" ? 0 : score + 5 * inTitle;
  },
};
