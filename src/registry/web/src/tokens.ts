/* Join tokens: made for one instance, and shown once. */

import * as api from "./api";
import { el } from "./dom";
import { moment } from "./format";
import type { Model } from "./model";
import { joinAddress, sidecarConfiguration } from "./sidecarconf";
import { copyable, field, openDialog, problemBox } from "./widgets";

const NAME = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

/** Opens the dialog; for an instance that is there, or for one that is yet to come (null). */
export function openToken(model: Model, instance: string | null): void {
    const name = el("input", {
        type: "text",
        required: true,
        pattern: NAME,
        maxlength: 63,
        autocomplete: "off",
        autocapitalize: "off",
        spellcheck: "false",
        testid: "token-instance",
        value: instance ?? "",
        readonly: instance !== null,
        title: "Small letters, digits and hyphens",
    });
    const ttl = el(
        "select",
        { testid: "token-ttl" },
        el("option", { value: 900 }, "15 minutes"),
        el("option", { value: 3600 }, "1 hour"),
        el("option", { value: 86400 }, "1 day"),
        el("option", { value: 604800 }, "7 days"),
    );
    const uses = el("input", {
        type: "number",
        min: 1,
        max: 10000,
        value: 1,
        required: true,
        testid: "token-uses",
    });
    const problem = problemBox("token-problem");
    const submit = el(
        "button",
        { type: "submit", class: "button primary", testid: "token-submit" },
        "Create token",
    );
    const form = el(
        "form",
        { class: "form" },
        el(
            "p",
            { class: "muted" },
            "Lets replicas of one instance join the mesh. It is shown once, and kept nowhere.",
        ),
        field("Instance", name),
        el(
            "div",
            { class: "pair" },
            field("Good for", ttl),
            field("Replicas that may join with it", uses),
        ),
        problem.box,
        el("div", { class: "actions" }, submit),
    );
    const dialog = openDialog(
        instance === null ? "New application" : `Join token for ${instance}`,
        { testid: "token-dialog", kind: "medium" },
        form,
    );
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.clear();
        api.createToken(name.value, Number(ttl.value), Number(uses.value))
            .then(
                (token) => {
                    const configuration = sidecarConfiguration(
                        token.instance,
                        model.session?.trust_domain ?? "",
                        joinAddress(model.session?.join_address, location.hostname),
                        model.instances.get(token.instance),
                    );
                    const done = el(
                        "button",
                        {
                            type: "button",
                            class: "button primary",
                            onclick: () => dialog.close(),
                        },
                        "Done",
                    );
                    dialog.body.replaceChildren(
                        el(
                            "p",
                            {},
                            "Good for ",
                            el("b", {}, token.instance),
                            ` until ${moment(token.expires_at)}, ${token.uses === 1 ? "once" : `${token.uses} times`}. It is not shown again.`,
                        ),
                        copyable("Join token", token.token, "token-text"),
                        copyable("Sidecar configuration", configuration, "token-config"),
                        el(
                            "p",
                            { class: "muted" },
                            "In an empty folder, save the token as ",
                            el("code", {}, `${token.instance}.token`),
                            " (mode 600) and the configuration as ",
                            el("code", {}, `${token.instance}.conf`),
                            "; then start ",
                            el("code", {}, `appnet-sidecar -c ${token.instance}.conf`),
                            ".",
                        ),
                        el("div", { class: "actions" }, done),
                    );
                    done.focus();
                },
                (error: unknown) => problem.show(error),
            )
            .finally(() => (submit.disabled = false));
    });
    (instance === null ? name : submit).focus();
}
