/* Windows that ask before something is cut, and say what will stop working. */

import { consequences, incoming } from "./advice";
import * as api from "./api";
import type { Connection } from "./api";
import { el, type Child } from "./dom";
import { counted } from "./format";
import type { Change, Model } from "./model";
import { icon } from "./icons";
import { button, openDialog, problemBox, toast } from "./widgets";

interface Question {
    title: string;
    severe: boolean;
    yes: string;
    text: Child[];
}

/** Asks, and keeps the question true while it is open: `ask` gives it anew, or null when it has become moot. */
function confirm(model: Model, ask: () => Question | null, act: () => Promise<void>): void {
    const first = ask();
    if (!first) {
        return;
    }
    const problem = problemBox("confirm-problem");
    const text = el("div", { class: "confirm-text", testid: "confirm-text" });
    const yes = button(first.yes, () => void run(), {
        kind: "danger",
        testid: "confirm-yes",
    });
    const no = button("Keep it", () => dialog.close(), { testid: "confirm-no" });
    const dialog = openDialog(
        first.title,
        { testid: "confirm-dialog", kind: "narrow confirm", alert: true },
        text,
        problem.box,
        el("div", { class: "actions" }, no, yes),
    );
    let shown = "";
    const refresh = (): void => {
        const question = ask();
        if (!question) {
            dialog.close();
            return;
        }
        const next = el("div", {}, ...question.text);
        if (next.textContent !== shown) {
            shown = next.textContent ?? "";
            text.replaceChildren(...next.childNodes);
        }
        dialog.element.classList.toggle("severe", question.severe);
        yes.querySelector("span")!.textContent = question.yes;
        yes.disabled = !model.live;
    };
    const run = async (): Promise<void> => {
        yes.disabled = true;
        problem.clear();
        try {
            await act();
            dialog.close();
        } catch (error) {
            yes.disabled = false;
            problem.show(error);
        }
    };
    refresh();
    const stop = model.listen((change: Change) => {
        if (change.all || change.shape || change.standing || change.connections.size > 0) {
            refresh();
        }
    });
    void dialog.closed.then(stop);
    no.focus();
}

function end(instance: string, name: string): HTMLElement {
    return el("span", { class: "end" }, el("b", {}, instance), " ", name);
}

function between(connection: Connection): HTMLElement {
    return el(
        "p",
        { class: "ends" },
        end(
            connection.source_instance,
            connection.outbound + (connection.outbound_required ? " *" : ""),
        ),
        icon("arrow"),
        el("span", { class: "sr" }, " to "),
        end(connection.target_instance, connection.inbound),
    );
}

/** Asks whether to disconnect, and does it. */
export function confirmDisconnect(model: Model, id: string): void {
    const find = (): Connection | null => {
        const connection = model.connections.get(id);
        return connection && connection.status !== "TERMINATED" ? connection : null;
    };
    let requiredWasSaid = false;
    confirm(
        model,
        () => {
            const connection = find();
            if (!connection) {
                return null;
            }
            requiredWasSaid = connection.outbound_required;
            return {
                title: requiredWasSaid ? "Disconnect what is required?" : "Disconnect?",
                severe: requiredWasSaid,
                yes: requiredWasSaid ? "Disconnect anyway" : "Disconnect",
                text: [
                    between(connection),
                    requiredWasSaid &&
                        el(
                            "p",
                            { class: "warning" },
                            icon("warn"),
                            el(
                                "span",
                                {},
                                el(
                                    "b",
                                    {},
                                    `${connection.source_instance} requires ${connection.outbound}. `,
                                ),
                                `It cannot work without it: ${connection.source_instance}, and whoever depends on it, stops working until ${connection.outbound} is connected again.`,
                            ),
                        ),
                    el("ul", {}, ...consequences(connection).map((line) => el("li", {}, line))),
                ],
            };
        },
        async () => {
            const connection = find();
            if (connection) {
                const answer = await api.disconnect(id, requiredWasSaid);
                if (model.connections.has(id)) {
                    model.putConnection(answer, Date.now());
                    toast(
                        `Accepted: ${connection.source_instance} ${connection.outbound} is being cut`,
                    );
                }
            }
        },
    );
}

const LISTED = 8;

/** Asks whether to remove an instance, with all that goes with it, and does it. */
export function confirmRemoval(model: Model, name: string): void {
    let force = false;
    confirm(
        model,
        () => {
            const instance = model.instances.get(name);
            if (!instance || instance.removing) {
                return null;
            }
            const to = incoming(name, model.connections.values());
            const { from } = model.connectionsOf(name);
            const live = instance.replicas.filter((replica) => replica.live).length;
            const streams = [...to, ...from].reduce((sum, each) => sum + each.streams, 0);
            force = to.length > 0;
            return {
                title: `Remove ${name}?`,
                severe: force,
                yes: force ? "Remove anyway" : "Remove",
                text: [
                    el(
                        "p",
                        {},
                        el("b", {}, name),
                        ` is removed from the mesh, with its ${counted(to.length + from.length, "connection")}. This cannot be undone.`,
                    ),
                    force &&
                        el(
                            "div",
                            { class: "warning" },
                            icon("warn"),
                            el(
                                "div",
                                {},
                                el(
                                    "b",
                                    {},
                                    `${counted(to.length, "outbound")} of other instances ${to.length === 1 ? "is" : "are"} cut off:`,
                                ),
                                el(
                                    "ul",
                                    {},
                                    ...to
                                        .slice(0, LISTED)
                                        .map((each) =>
                                            el(
                                                "li",
                                                {},
                                                `${each.source_instance} ${each.outbound}${each.outbound_required ? " * (required: it stops working)" : ""}`,
                                            ),
                                        ),
                                    to.length > LISTED &&
                                        el("li", {}, `and ${to.length - LISTED} more`),
                                ),
                            ),
                        ),
                    el(
                        "ul",
                        {},
                        streams > 0 &&
                            el(
                                "li",
                                {},
                                `${counted(streams, "live stream")} ${streams === 1 ? "is" : "are"} cut at once.`,
                            ),
                        live > 0 &&
                            el(
                                "li",
                                {},
                                `${counted(live, "replica")} of it ${live === 1 ? "is" : "are"} live; the registry does not take ${live === 1 ? "it" : "them"} any more.`,
                            ),
                    ),
                ],
            };
        },
        async () => {
            await api.removeInstance(name, force);
            toast(`Removing ${name}: accepted`);
        },
    );
}
