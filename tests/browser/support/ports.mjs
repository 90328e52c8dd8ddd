// Free ports of 127.0.0.1, each given out once by a process. They lie below the range from which the
// kernel takes the ports of outgoing connections.

import fs from "node:fs";
import net from "node:net";

const FIRST = 10000;
const taken = new Set();

function end() {
    const range = fs.readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "ascii");
    const first = Number.parseInt(range, 10);
    return first - FIRST < 1000 ? 32768 : first;
}

function isFree(port) {
    return new Promise((resolve) => {
        const probe = net.createServer();
        probe.once("error", () => resolve(false));
        probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
}

export async function takePort() {
    const limit = end();
    for (let attempt = 0; attempt < 10000; attempt++) {
        const port = FIRST + Math.floor(Math.random() * (limit - FIRST));
        if (taken.has(port)) continue;
        taken.add(port);
        if (await isFree(port)) return port;
    }
    throw new Error("no free port found");
}
