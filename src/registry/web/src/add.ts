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

/** Sets the options, keeps what was chosen if it may still be, and chooses the only possible one. */
function offer(select: HTMLSelectElement, options: Option[], wanted: string, none: string): void {
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
    const chosen =
        possible.find((option) => option.value === wanted) ??
        (possible.length === 1 ? possible[0] : undefined);
    select.value = chosen?.value ?? "";
    select.disabled = options.length === 0;
}

/** Opens the dialog; `then` runs with the id of what was accepted, after it is closed. */
export function openAdd(model: Model, filled: Filled, then: (id: string) => void): void {
    const select = (testid: string): HTMLSelectElement =>
        el("select", { testid, required: true, onchange: () => refresh() });
    const source = select("add-source");
    const outbound = select("add-outbound");
    const target = select("add-target");
    const inbound = select("add-inbound");
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
    let wanted: Required<Filled> = { source: "", outbound: "", target: "", inbound: "", ...filled };

    function refresh(first = false): void {
        const now: Required<Filled> = first
            ? wanted
            : {
                  source: source.value,
                  outbound: outbound.value,
                  target: target.value,
                  inbound: inbound.value,
              };
        wanted = now;
        const all = [...model.instances.values()];
        offer(source, sources(all), now.source, "No application is known yet");
        const from = model.instances.get(source.value);
        offer(
            outbound,
            outbounds(from, model.connections),
            now.outbound,
            from ? "It has no outbound" : "Choose the source first",
        );
        offer(
            target,
            outbound.value === "" ? [] : targets(all, source.value),
            now.target,
            "Choose the outbound first",
        );
        const to = model.instances.get(target.value);
        offer(
            inbound,
            inbounds(to),
            now.inbound,
            to ? "It has no inbound" : "Choose the target first",
        );
        const complete = [source, outbound, target, inbound].every((each) => each.value !== "");
        submit.disabled = busy || !complete || !model.live || !model.may("operator");
        const plug = from?.outbounds.find((each) => each.name === outbound.value);
        const hub = to?.inbounds.find((each) => each.name === inbound.value);
        hint.textContent = !model.live
            ? "Offline: it cannot be sent until the registry is back."
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
        refresh();
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
                refresh();
            });
    });

    refresh(true);
    const stop = model.listen((change) => {
        if (change.all || change.shape || change.standing) {
            refresh();
        }
    });
    void dialog.closed.then(stop);
    ([source, outbound, target, inbound].find((each) => each.value === "") ?? submit).focus();
}
