// Waiting for what happens in other processes, never without an end.

import { setTimeout as sleep } from "node:timers/promises";

import { SLOW } from "./environment.mjs";

/**
 * Calls `check` until it gives something true, and gives that. What it throws means "not yet", and is
 * told when the time is over.
 * @param {string|(() => unknown)} what names what was waited for
 */
export async function eventually(what, check, { seconds = 15, pause = 40 } = {}) {
    const end = Date.now() + seconds * 1000 * SLOW;
    for (;;) {
        let last;
        try {
            const result = await check();
            if (result) return result;
            last = result;
        } catch (error) {
            last = error;
        }
        if (Date.now() >= end) {
            const name = typeof what === "function" ? await what() : what;
            const seen = last instanceof Error ? last.message : JSON.stringify(last);
            throw new Error(`not within ${seconds * SLOW} s: ${name} (last: ${seen})`);
        }
        await sleep(pause);
    }
}

/** The promise, or an error when it takes longer. */
export async function within(seconds, what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(
            () => reject(new Error(`not within ${seconds * SLOW} s: ${what}`)),
            seconds * 1000 * SLOW,
        );
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}
