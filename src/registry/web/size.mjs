/* Prints what the built page weighs, compressed as the registry serves it, and fails when that is too much. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 250 * 1024;
const dist = new URL("dist/", import.meta.url).pathname;

function filesIn(folder) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? filesIn(join(folder, entry.name)) : [join(folder, entry.name)],
    );
}

let total = 0;
for (const file of filesIn(dist)) {
    const size = gzipSync(readFileSync(file), { level: 9 }).length;
    total += size;
    console.log(`${(size / 1024).toFixed(1).padStart(8)} KiB gzip  ${file.slice(dist.length)}`);
}
console.log(
    `${(total / 1024).toFixed(1).padStart(8)} KiB gzip in all; the budget is ${BUDGET / 1024} KiB`,
);
process.exitCode = total > BUDGET ? 1 : 0;
