/* Signing in: a window over everything, that goes when the registry knows who it is. */

import * as api from "./api";
import { el } from "./dom";
import { field, openDialog, problemBox, type Dialog } from "./widgets";

/** The one-time code in the page's address, which is gone from there with this call; null if there is none. */
export function takeCode(): string | null {
    const code = /^#code=([^&]*)/.exec(location.hash)?.[1];
    if (code === undefined) {
        return null;
    }
    history.replaceState(null, "", location.pathname + location.search);
    try {
        return decodeURIComponent(code);
    } catch {
        return code;
    }
}

let open: Dialog | null = null;

/** Asks for a token, once at a time. `then` runs when the registry has taken one. */
export function askToSignIn(then: () => void, why?: unknown): void {
    if (open) {
        return;
    }
    const problem = problemBox("sign-in-problem");
    const input = el("input", {
        type: "password",
        autocomplete: "off",
        spellcheck: "false",
        required: true,
        testid: "sign-in-token",
    });
    const submit = el(
        "button",
        { type: "submit", class: "button primary", testid: "sign-in-submit" },
        "Sign in",
    );
    const form = el(
        "form",
        { class: "form" },
        el(
            "p",
            { class: "muted" },
            "Open the address that the registry prints at its start, which signs in once by itself; or paste the text of viewer.token, operator.token or admin.token from its data folder.",
        ),
        field("Token", input),
        problem.box,
        el("div", { class: "actions" }, submit),
    );
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        const token = input.value.trim();
        if (token === "") {
            return;
        }
        submit.disabled = true;
        problem.clear();
        api.signIn({ token })
            .then(
                () => {
                    input.value = "";
                    open?.close();
                    then();
                },
                (error: unknown) => {
                    problem.show(error);
                    input.select();
                },
            )
            .finally(() => (submit.disabled = false));
    });
    open = openDialog(
        "Sign in to appnet",
        { testid: "sign-in", kind: "narrow sign-in", fixed: true },
        form,
    );
    void open.closed.then(() => (open = null));
    if (why !== undefined) {
        problem.show(why);
    }
    input.focus();
}
