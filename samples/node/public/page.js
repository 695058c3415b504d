// Shows the entries and adds new ones without loading the page again.
const list = document.querySelector("ul");
const form = document.querySelector("form");

async function show() {
  const entries = await (await fetch("api/entries")).json();
  list.replaceChildren(...entries.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await fetch("api/entries", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: new FormData(form).get("text") }),
  });
  form.reset();
  await show();
});

await show();
