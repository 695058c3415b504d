// Copies public/ to dist/ under names that hold a hash of the content, so that browsers may keep them for ever.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { extname } from "node:path";

await rm("dist", { recursive: true, force: true });
await mkdir("dist", { recursive: true });

const names = {};
for (const file of (await readdir("public")).sort()) {
  const content = await readFile(`public/${file}`);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8);
  const end = extname(file);
  names[file] = `${file.slice(0, -end.length)}.${hash}${end}`;
  await writeFile(`dist/${names[file]}`, content);
  console.log(`${file} -> dist/${names[file]}`);
}
await writeFile("dist/names.json", JSON.stringify(names, null, 2));
