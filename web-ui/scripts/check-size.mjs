// Fails when the first load grows beyond what opens at once on a slow line.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const FIRST_LOAD = 200 * 1024;
const EVERYTHING = 400 * 1024;
const dist = new URL("../dist/", import.meta.url).pathname;

const transferred = (name) => {
  const path = join(dist, name);
  return statSync(existsSync(`${path}.br`) ? `${path}.br` : path).size;
};
const sum = (names) => names.reduce((total, name) => total + transferred(name), 0);
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;

const page = readFileSync(join(dist, "index.html"), "utf8");
const linked = [...page.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1]);
const all = readdirSync(dist, { recursive: true }).filter(
  (name) => statSync(join(dist, name)).isFile() && !/\.(br|gz)$/.test(name),
);
const first = sum(["index.html", ...new Set(linked)]);
const total = sum(all);
console.log(`first load ${kilobytes(first)} brotli, everything ${kilobytes(total)} brotli`);
if (first > FIRST_LOAD || total > EVERYTHING) {
  console.error(
    `too large: at most ${kilobytes(FIRST_LOAD)} first, ${kilobytes(EVERYTHING)} in all`,
  );
  process.exit(1);
}
