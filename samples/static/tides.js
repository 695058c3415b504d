// The moon crosses the meridian 50 minutes later each day, and high water follows it twice.
const synodicDays = 29.530588853;
const newMoon = Date.UTC(2000, 0, 6, 18, 14);
const age = ((Date.now() - newMoon) / 86_400_000) % synodicDays;
const first = (age * 24) / synodicDays;
const height = 4 + 1.2 * Math.cos((4 * Math.PI * age) / synodicDays);

for (const hours of [first % 12.42, (first % 12.42) + 12.42]) {
  const row = document.createElement("tr");
  const time = `${String(Math.floor(hours) % 24).padStart(2, "0")}:${String(Math.floor((hours % 1) * 60)).padStart(2, "0")}`;
  for (const text of [time, `${height.toFixed(1)} m`]) row.append(Object.assign(document.createElement("td"), { textContent: text }));
  document.querySelector("tbody").append(row);
}
