"use strict";
// Text from the data set reaches the page through textContent alone.

const find = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(100 * share)} %`;

function make(tag, options = {}, ...children) {
  const { text, data, ...attributes } = options;
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(data ?? {})) element.dataset[name] = value;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (response.ok) return answer;
  throw new Error(Array.isArray(answer.detail) ? answer.detail.map((one) => one.msg).join("; ") : answer.detail);
}

let busy = false;
async function attempt(work) {
  if (busy) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  find("error").textContent = "";
  try {
    await work();
  } catch (error) {
    find("error").textContent = error.message;
  }
  busy = false;
  document.body.removeAttribute("aria-busy");
}

function onSubmit(id, work) {
  find(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(event.target)].map(([name, value]) => [name, Number(value)]));
    attempt(() => work(values));
  });
}

// Tabs, by the pattern of the ARIA authoring practices.
const tabs = [...document.querySelectorAll("[role=tab]")];
function select(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    find(one.getAttribute("aria-controls")).hidden = !chosen;
  }
  find("error").textContent = "";
}
tabs.forEach((tab, place) => {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -place, End: tabs.length - 1 - place }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(place + step + tabs.length) % tabs.length];
    select(next);
    next.focus();
  });
});

function describe(item) {
  const more = [item.year, ...item.genres].filter(Boolean).join(" · ");
  return [make("strong", { text: item.title }), make("span", { class: "faint", text: more })];
}

function bars(list, entries) {
  const most = Math.max(1, ...entries.map((one) => one.level));
  list.replaceChildren(...entries.map((one) => make("li", {},
    make("span", { text: one.label }), make("meter", { min: 0, max: most, value: one.level, "aria-label": one.label }),
    make("span", { class: "number", text: one.shown }))));
  if (!entries.length) list.append(make("li", { class: "faint", text: "nothing" }));
}

// The recommender's seat.
const seat = { number: null, size: 0, slate: [], over: false, explains: false };

function drawSlate(focus) {
  const list = find("r-slate");
  list.replaceChildren();
  for (let place = 0; place < seat.size; place += 1) {
    const item = seat.slate[place];
    const entry = make("li", item ? { data: { item: item.item } } : { class: "vacant" });
    if (item) {
      entry.append(...describe(item));
      const up = make("button", { type: "button", class: "small", text: "↑", "aria-label": `Move ${item.title} up` });
      up.disabled = place === 0;
      up.addEventListener("click", () => {
        seat.slate.splice(place - 1, 2, seat.slate[place], seat.slate[place - 1]);
        drawSlate(place - 1);
      });
      const drop = make("button", { type: "button", class: "small", text: "×", "aria-label": `Remove ${item.title}` });
      drop.addEventListener("click", () => { seat.slate.splice(place, 1); drawSlate(place); });
      entry.append(make("span", { class: "tools" }, up, drop));
    } else {
      entry.append(make("span", { class: "faint", text: "an empty place" }));
    }
    list.append(entry);
  }
  find("r-show").disabled = seat.over || seat.slate.length !== seat.size;
  for (const button of find("r-found").querySelectorAll("button")) {
    button.disabled = seat.over || seat.slate.length >= seat.size
      || seat.slate.some((one) => String(one.item) === button.dataset.item);
  }
  if (focus !== undefined) (list.children[Math.min(focus, seat.size - 1)].querySelector("button:enabled") ?? find("r-find")).focus();
}

async function search() {
  const words = encodeURIComponent(find("r-find").value);
  const items = await ask(`/api/recommender/${seat.number}/find?words=${words}`);
  find("r-found").replaceChildren(...items.map((item) => {
    const add = make("button", { type: "button", data: { item: item.item } }, ...describe(item));
    add.addEventListener("click", () => {
      if (seat.slate.length < seat.size) seat.slate.push(item);
      drawSlate();
    });
    return make("li", {}, add);
  }));
  if (!items.length) find("r-found").append(make("li", { class: "faint", text: "no such title" }));
  drawSlate();
}

function drawRecommender(told) {
  Object.assign(seat, { number: told.seat, size: told.slate_size, over: told.over, explains: told.explains, slate: [] });
  const shown = find("recommender");
  shown.hidden = false;
  Object.assign(shown.dataset, { seat: told.seat, step: told.step, over: told.over });
  find("r-user").textContent = told.user;
  find("r-persona").hidden = !told.persona;
  find("r-persona").textContent = told.persona ? `persona: ${told.persona}` : "";
  find("r-satisfaction").value = told.satisfaction;
  find("r-satisfaction-text").textContent = percent(told.satisfaction);
  find("r-hazard").value = told.hazard ?? 0;
  find("r-hazard-text").textContent = told.hazard === null ? "–" : `${(100 * told.hazard).toFixed(1)} %`;
  find("r-return").textContent = told.return.toFixed(2);
  find("r-step").textContent = told.step;
  bars(find("r-boredom"), told.boredom.map((one) => ({ label: one.genre, level: one.level, shown: one.level.toFixed(2) })));
  find("r-wish").hidden = !told.wish;
  find("r-wish").textContent = told.wish ? `“${told.wish}”` : "";
  find("r-document").textContent = told.document ?? "These users read no document.";
  find("r-places").replaceChildren(...told.places.map((place) => {
    const entry = make("li", { class: place.taken ? "taken" : place.empty ? "empty" : "", data: { item: place.item, taken: place.taken } },
      make("span", { class: "what" }, ...describe(place)));
    const wanted = make("span", { class: "wanted" });
    if (place.want !== null) {
      wanted.append(make("meter", { min: 0, max: 1, value: place.want, "aria-label": `Wanted: ${percent(place.want)}` }),
        make("span", { class: "number", text: `wanted ${percent(place.want)}` }));
    }
    entry.append(wanted, make("span", { class: "note", text: place.note }));
    if (told.explains && !place.empty) {
      const why = make("button", { type: "button", class: "small", text: "why?", "aria-label": `Why, about ${place.title}?` });
      why.addEventListener("click", () => attempt(() => explain(place.item)));
      entry.append(why);
    }
    return entry;
  }));
  find("r-diary").replaceChildren(...told.diary.map((text) => make("li", { text })).reverse());
  find("r-why").hidden = true;
  find("r-composer").classList.toggle("over", told.over);
  const end = told.left ? "The person has left. Begin again above." : "The session has reached its longest length.";
  find("r-status").textContent = told.over ? end : told.diary.at(-1) ?? "Nothing has been shown yet.";
}

async function explain(item) {
  const found = await ask(`/api/recommender/${seat.number}/why/${item}`);
  find("r-why").hidden = false;
  find("r-why-words").textContent = found.words;
  const most = Math.max(...found.parts.map((one) => Math.abs(one.choice)), 0.01);
  find("r-why-parts").replaceChildren(...found.parts.map((one) => make("li", { class: one.choice < 0 ? "against" : "for" },
    make("span", { class: "kind", text: one.kind }), make("span", { text: one.text }),
    make("meter", { min: 0, max: most, value: Math.abs(one.choice), "aria-label": `${one.kind}: ${one.choice.toFixed(2)} log odds` }),
    make("span", { class: "number", text: `${one.choice > 0 ? "+" : ""}${one.choice.toFixed(2)}` }))));
}

async function began(told) {
  drawRecommender(told);
  find("r-find").value = "";
  await search();
}

onSubmit("begin-recommender", async (values) => began(await ask("/api/recommender", values)));
find("r-find").addEventListener("input", () => { if (seat.number !== null) search().catch(() => {}); });
for (const button of document.querySelectorAll(".fill")) {
  button.addEventListener("click", () => attempt(async () => {
    seat.slate = await ask(`/api/recommender/${seat.number}/suggest/${encodeURIComponent(button.dataset.name)}`);
    drawSlate();
  }));
}
find("r-show").addEventListener("click", () => attempt(async () => {
  const items = seat.slate.map((one) => one.item);
  drawRecommender(await ask(`/api/recommender/${seat.number}/show`, { items }));
  drawSlate();
}));

// The user's seat.
const mine = { number: null };

function drawUser(told) {
  mine.number = told.seat;
  const shown = find("user");
  shown.hidden = false;
  Object.assign(shown.dataset, { seat: told.seat, ratings: told.ratings });
  find("u-status").textContent = told.last ? `That one was shown by ${told.last}. ${told.ratings} rated so far.` : `${told.ratings} rated so far.`;
  find("u-slate").replaceChildren(...told.slate.map((item) => make("article", { class: "pick", data: { item: item.item } },
    ...describe(item),
    make("div", { class: "row", role: "group", "aria-label": `Your rating of ${item.title}` }, ...told.scale.map((value) => {
      const rate = make("button", { type: "button", class: "rate", text: String(value), "aria-label": `Rate ${item.title} ${value}` });
      rate.addEventListener("click", () => take({ item: item.item, rating: value }));
      return rate;
    })))));
  find("u-persona").textContent = told.persona ? `${told.persona.name} (adapter ${told.persona.adapter})` : "no persona yet";
  find("u-document").textContent = told.document;
  find("u-scores").replaceChildren(...told.scores.map((one) => make("tr", {}, make("th", { scope: "row", text: one.name }),
    make("td", { text: `${one.taken} of ${one.shown}` }), make("td", { text: one.mean === null ? "–" : one.mean.toFixed(2) }))));
}

function take(body) {
  attempt(async () => {
    drawUser(await ask(`/api/user/${mine.number}/rate`, body));
    (find("u-slate").querySelector("button") ?? find("u-nothing")).focus();
  });
}

onSubmit("begin-user", async () => drawUser(await ask("/api/user", { seed: Math.floor(Math.random() * 2 ** 31) })));
find("u-nothing").addEventListener("click", () => take({}));

// The race.
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

function drawRace(found, step) {
  const most = Math.max(...found.runs.map((one) => one.reward.at(-1)), 0.01);
  find("c-lanes").replaceChildren(...found.runs.map((one) => make("li", {}, make("span", { text: one.name }),
    make("progress", { max: most, value: one.reward[step], "aria-label": `${one.name}: mean return` }),
    make("span", { class: "number", text: one.reward[step].toFixed(2) }))));
  find("c-rows").replaceChildren(...found.runs.map((one) => make("tr", { data: { name: one.name } }, make("th", { scope: "row", text: one.name }),
    make("td", { text: one.reward[step].toFixed(2) }), make("td", { text: percent(one.alive[step]) }))));
  find("race").dataset.step = step;
}

onSubmit("begin-race", async (values) => {
  find("race").hidden = false;
  find("c-status").textContent = "They are off …";
  const found = await ask("/api/race", values);
  for (let step = still.matches ? found.steps : 0; step <= found.steps; step += 1) {
    drawRace(found, step);
    await new Promise((resume) => { setTimeout(resume, still.matches ? 0 : 120); });
  }
  find("c-status").textContent = `${found.runs[0].name} leads after ${found.steps} steps with ${found.users} people.`;
});

// Said and done.
function scale(one, low, high) {
  const place = (value) => `${100 * (value - low) / Math.max(high - low, 1e-9)}`;
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "-6 0 112 16");
  picture.setAttribute("aria-hidden", "true");
  const shapes = [["line", { x1: 0, x2: 100, y1: 8, y2: 8 }], ["line", { x1: place(one.real), x2: place(one.expected), y1: 8, y2: 8, class: "gap" }],
    ["circle", { cx: place(one.real), cy: 8, r: 5, class: "real" }], ["circle", { cx: place(one.expected), cy: 8, r: 4, class: "expected" }]];
  for (const [name, attributes] of shapes) {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    picture.append(shape);
  }
  return picture;
}

onSubmit("begin-said", async (values) => {
  const found = await ask(`/api/said-and-done/${values.user}`);
  find("said").hidden = false;
  find("said").dataset.number = found.number;
  find("s-user").textContent = found.user;
  const error = found.rmse === null ? "" : ` Root mean squared error ${found.rmse.toFixed(2)}, and ${found.rmse_mean.toFixed(2)} for the person's own mean.`;
  find("s-status").textContent = `${found.held_out} ratings were held out.${error}`;
  find("s-rows").replaceChildren(...found.rows.map((one) => make("tr", { data: { item: one.item } }, make("th", { scope: "row", text: one.title }),
    make("td", { text: String(one.real) }), make("td", { text: one.expected.toFixed(2) }), make("td", { text: percent(one.want) }),
    make("td", { class: "scale" }, scale(one, found.scale[0], found.scale.at(-1))))));
});
