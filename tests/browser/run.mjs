// Runs the tests by node's own runner: run.mjs [WORD...] runs the files whose names have one of the words.
// The last lines are the runner's summary; the exit status is 0 when all have passed.

import fs from "node:fs";
import path from "node:path";
import { run } from "node:test";
import * as reporters from "node:test/reporters";

import { HERE, SLOW } from "./support/environment.mjs";

const LIMIT = 15 * 60 * 1000;

const words = process.argv.slice(2);
const files = fs
    .readdirSync(HERE)
    .filter((name) => name.endsWith(".test.mjs"))
    .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
    .sort()
    .map((name) => path.join(HERE, name));
if (files.length === 0) {
    console.error(`no test file is named like ${words.join(" or ")}`);
    process.exit(2);
}

// Most of the time is spent waiting for processes, so two files share a machine well.
const events = run({ files, concurrency: 2, timeout: LIMIT * SLOW });
const start = Date.now();
const count = { passed: 0, failed: 0 };
events.on("test:pass", (data) => {
    if (isScenario(data)) count.passed++;
});
events.on("test:fail", (data) => {
    process.exitCode = 1;
    if (isScenario(data)) count.failed++;
});
process.once("exit", () => {
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    fs.writeSync(1, `===== ${count.passed} passed, ${count.failed} failed in ${seconds}s =====\n`);
});
const { spec } = reporters;
// A class in some versions of node, a function in others.
const reporter = spec.prototype?.constructor === spec ? new spec() : spec();
events.compose(reporter).pipe(process.stdout);

// Not a whole file, which some versions of node take for a test, too.
function isScenario({ name }) {
    return !name.endsWith(".test.mjs");
}
