// Free ports of 127.0.0.1, each given out once by a process. They lie below the range from which the
// kernel takes the ports of outgoing connections, and above those of tests/support/ports.py and of
// contrib/quickstart.sh, which may run at the same time. Each script has a part of them for itself, since
// two files of tests run at once.

import fs from "node:fs";
import net from "node:net";
import path from "node:path";

import { HERE } from "./environment.mjs";

const FIRST = 27000;
const taken = new Set();

function end() {
    const range = fs.readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "ascii");
    const first = Math.min(Number.parseInt(range, 10), 32768);
    return first - FIRST < 1000 ? 32768 : first;
}

/** The first port of this script's part, and how many there are. */
function part() {
    const scripts = fs.readdirSync(HERE).filter((name) => name.endsWith(".mjs"));
    const index = scripts.sort().indexOf(path.basename(process.argv[1]));
    if (index < 0) throw new Error(`${process.argv[1]} is none of ${scripts.join(", ")}`);
    const count = Math.floor((end() - FIRST) / scripts.length);
    return { first: FIRST + index * count, count };
}

function isFree(port) {
    return new Promise((resolve) => {
        const probe = net.createServer();
        probe.once("error", () => resolve(false));
        probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
}

export async function takePort() {
    const { first, count } = part();
    for (let attempt = 0; attempt < 10000; attempt++) {
        const port = first + Math.floor(Math.random() * count);
        if (taken.has(port)) continue;
        taken.add(port);
        if (await isFree(port)) return port;
    }
    throw new Error("no free port found");
}
