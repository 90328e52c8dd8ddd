/* "Add connection": source, outbound, target, inbound, in that order, each narrowing the next. */

import * as api from "./api";
import { el } from "./dom";
import type { Model } from "./model";
import { inbounds, outbounds, sources, targets, type Option } from "./rules";
import { field, openDialog, problemBox, toast } from "./widgets";

export interface Filled {
    source?: string;
    outbound?: string;
    target?: string;
    inbound?: string;
}

/**
 * Sets the options and keeps what was chosen if it may still be. Only in answer to what the person did (`choose`)
 * the single possible one is chosen: a change from elsewhere never picks something that was not asked for.
 */
function offer(
    select: HTMLSelectElement,
    options: Option[],
    wanted: string,
    none: string,
    choose: boolean,
): void {
    const fingerprint = JSON.stringify([options, none]);
    if (select.dataset["offered"] !== fingerprint) {
        select.dataset["offered"] = fingerprint;
        select.replaceChildren(
            el("option", { value: "" }, options.length === 0 ? none : "Choose…"),
            ...options.map((option) =>
                el(
                    "option",
                    { value: option.value, disabled: option.forbidden !== null },
                    option.forbidden === null
                        ? option.label
                        : `${option.label} – ${option.forbidden}`,
                ),
            ),
        );
    }
    const possible = options.filter((option) => option.forbidden === null);
    const only = choose && possible.length === 1 ? possible[0] : undefined;
    select.value = (possible.find((option) => option.value === wanted) ?? only)?.value ?? "";
    select.disabled = options.length === 0;
}

/** Opens the dialog; `then` runs with the id of what was accepted, after it is closed. */
export function openAdd(model: Model, filled: Filled, then: (id: string) => void): void {
    const select = (testid: string): HTMLSelectElement =>
        el("select", {
            testid,
            required: true,
            onchange: (event: Event) => refresh(order.indexOf(event.target as HTMLSelectElement)),
        });
    const source = select("add-source");
    const outbound = select("add-outbound");
    const target = select("add-target");
    const inbound = select("add-inbound");
    const order = [source, outbound, target, inbound];
    const hint = el("p", { class: "hint", "aria-live": "polite" });
    const problem = problemBox("add-problem");
    const submit = el(
        "button",
        { type: "submit", class: "button primary", testid: "add-submit" },
        "Connect",
    );
    const cancel = el(
        "button",
        { type: "button", class: "button", onclick: () => dialog.close() },
        "Cancel",
    );
    const form = el(
        "form",
        { class: "form" },
        el(
            "div",
            { class: "pair" },
            el(
                "fieldset",
                {},
                el("legend", {}, "From"),
                field("Source instance", source),
                field("Outbound", outbound),
            ),
            el(
                "fieldset",
                {},
                el("legend", {}, "To"),
                field("Target instance", target),
                field("Inbound", inbound),
            ),
        ),
        hint,
        problem.box,
        el("div", { class: "actions" }, cancel, submit),
    );
    const dialog = openDialog("Add connection", { testid: "add-dialog", kind: "medium" }, form);
    let busy = false;
    const begin = [
        filled.source ?? "",
        filled.outbound ?? "",
        filled.target ?? "",
        filled.inbound ?? "",
    ];
    /** What is not there any more of what had been chosen. */
    let lost = "";

    /** `by` is the select that the person changed, -1 for the opening, null for a change from elsewhere. */
    function refresh(by: number | null): void {
        const before = by === -1 ? begin : order.map((each) => each.value);
        const choose = (index: number): boolean => by !== null && index > by;
        const all = [...model.instances.values()];
        offer(source, sources(all), before[0]!, "No application is known yet", choose(0));
        const from = model.instances.get(source.value);
        offer(
            outbound,
            outbounds(from, model.connections),
            before[1]!,
            from ? "It has no outbound" : "Choose the source first",
            choose(1),
        );
        const possible = outbound.value === "" ? [] : targets(all, source.value);
        offer(target, possible, before[2]!, "Choose the outbound first", choose(2));
        const to = model.instances.get(target.value);
        offer(
            inbound,
            inbounds(to),
            before[3]!,
            to ? "It has no inbound" : "Choose the target first",
            choose(3),
        );
        if (by !== null) {
            lost = "";
        } else {
            const first = order.findIndex(
                (each, index) => before[index] !== "" && each.value === "",
            );
            if (first >= 0) {
                lost =
                    first <= 1
                        ? `${before[0]} ${before[1]} was connected, or removed, by somebody else meanwhile. Choose again.`
                        : `${before[2]} ${before[3]} is not there any more. Choose again.`;
            }
        }
        const complete = [source, outbound, target, inbound].every((each) => each.value !== "");
        submit.disabled = busy || !complete || !model.live || !model.may("operator");
        const plug = from?.outbounds.find((each) => each.name === outbound.value);
        const hub = to?.inbounds.find((each) => each.name === inbound.value);
        hint.textContent = !model.live
            ? "Offline: it cannot be sent until the registry is back."
            : lost !== ""
              ? lost
              : complete && plug && hub
                ? `${source.value} will reach port ${hub.port} of ${target.value}` +
                  (plug.port !== null
                      ? ` at port ${plug.port} of its own machine.`
                      : ` at 127.0.0.1:${hub.port}.`)
                : "What the rules do not allow cannot be chosen; the reason stands beside it.";
    }

    form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (submit.disabled) {
            return;
        }
        busy = true;
        problem.clear();
        submit.disabled = true;
        api.connect({
            source_instance: source.value,
            outbound: outbound.value,
            target_instance: target.value,
            inbound: inbound.value,
        })
            .then(
                (connection) => {
                    /* An event may have been faster, and know more. */
                    if (!model.connections.has(connection.id)) {
                        model.putConnection(connection, Date.now());
                    }
                    dialog.close();
                    toast(
                        `Accepted: ${connection.source_instance} ${connection.outbound} is waiting for its two ends`,
                    );
                    then(connection.id);
                },
                (error: unknown) => problem.show(error),
            )
            .finally(() => {
                busy = false;
                refresh(null);
            });
    });

    refresh(-1);
    const stop = model.listen((change) => {
        if (!busy && (change.all || change.shape || change.standing)) {
            refresh(null);
        }
    });
    void dialog.closed.then(stop);
    ([source, outbound, target, inbound].find((each) => each.value === "") ?? submit).focus();
}
