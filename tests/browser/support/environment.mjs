// Where the programs and packages are, and how patient to be with them.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const HERE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const TOP = path.resolve(HERE, "../..");

/** Where appnet's own programs are; as for the integration tests. */
export const BIN_DIR = path.resolve(process.env.APPNET_BIN_DIR ?? TOP);

/** Where `npm ci` was run: in the build folder, so that the source may be read-only. */
const PACKAGES_DIR = path.resolve(process.env.APPNET_BROWSER_PACKAGES ?? HERE);

/** What is left of a test that fails: a screenshot and the logs' ends. */
export const FAILURES_DIR = path.resolve(
    process.env.APPNET_BROWSER_FAILURES ?? path.join(PACKAGES_DIR, "failures"),
);

/** Every limit on time is multiplied by this, for programs with sanitizers and busy machines. */
export const SLOW = Number(process.env.APPNET_TEST_SLOW ?? "1");

/** A package from PACKAGES_DIR/node_modules, which need not be above this file. */
export const load = createRequire(path.join(PACKAGES_DIR, "package.json"));

export function program(name) {
    const file = path.join(BIN_DIR, name);
    fs.accessSync(file, fs.constants.X_OK);
    return file;
}

/** The system's browser, or undefined. Playwright's own is never downloaded. */
export function browserFile() {
    const names = process.env.APPNET_CHROMIUM ? [process.env.APPNET_CHROMIUM] : ["chromium"];
    for (const folder of ["", ...(process.env.PATH ?? "").split(":")]) {
        for (const name of names) {
            const file = path.join(folder, name);
            try {
                if (path.isAbsolute(file)) {
                    fs.accessSync(file, fs.constants.X_OK);
                    return file;
                }
            } catch {
                // not in this one
            }
        }
    }
    return undefined;
}
