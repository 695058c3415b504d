// A guest book: a page, a small API, a health check. Entries live as long as the instance.
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import express from "express";

const port = Number(process.env.PORT || 3000);
const greeting = process.env.GREETING || "Hello from Node.js";
const names = JSON.parse(readFileSync("dist/names.json", "utf8"));
const page = readFileSync("views/index.html", "utf8");

const entries = [];
let visits = 0;

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const log = (fields) => console.log(JSON.stringify({ time: new Date().toISOString(), ...fields }));

const app = express();
app.disable("x-powered-by");
app.use(express.json({ limit: "16kb" }));
app.use((request, response, next) => {
  const since = process.hrtime.bigint();
  response.on("finish", () => {
    const ms = Number(process.hrtime.bigint() - since) / 1e6;
    log({ method: request.method, path: request.path, status: response.statusCode, ms: Math.round(ms * 10) / 10 });
  });
  next();
});

app.get("/", (_request, response) => {
  visits += 1;
  const values = { ...names, greeting, visits: String(visits), instance: hostname() };
  response.type("html").send(page.replace(/{{(.+?)}}/g, (_, name) => escaped(values[name] ?? "")));
});
app.use("/assets", express.static("dist", { immutable: true, maxAge: "1y" }));
app.get("/api/entries", (_request, response) => response.json(entries));
app.post("/api/entries", (request, response) => {
  const text = String(request.body?.text ?? "").trim().slice(0, 200);
  if (!text) return response.status(400).json({ error: "text is missing" });
  entries.push(text);
  response.status(201).json({ entries: entries.length });
});
app.get("/env", (_request, response) => response.json({ GREETING: greeting, PORT: String(port), NODE_ENV: process.env.NODE_ENV ?? "" }));
app.get("/healthz", (_request, response) => response.type("text").send("ok\n"));

const server = app.listen(port, () => log({ message: `listening on ${port}` }));
// Longer than any proxy in front keeps an idle connection.
server.keepAliveTimeout = 65_000;

process.on("SIGTERM", () => {
  log({ message: "stopping" });
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
