/* What several views are made of: buttons, badges of states, dialogs, messages. */

import { states } from "./advice";
import { Problem, type Status } from "./api";
import { el, freshId, type Child } from "./dom";
import { icon, type Icon } from "./icons";

/** A button; with an icon alone its label is its name and its tooltip. */
export function button(
    label: string,
    act: () => void,
    more: {
        icon?: Icon;
        bare?: boolean;
        kind?: string;
        testid?: string;
        describe?: string;
    } = {},
): HTMLButtonElement {
    const made = el("button", {
        type: "button",
        class: ["button", more.kind, more.bare && "bare"].filter(Boolean).join(" "),
        testid: more.testid,
        "aria-label": more.describe ?? (more.bare ? label : null),
        title: more.bare ? label : null,
        onclick: act,
    });
    made.append(
        ...[more.icon && icon(more.icon), !more.bare && el("span", {}, label)].filter(
            (each) => !!each,
        ),
    );
    return made;
}

/** The state of a connection, by colour, sign and word. */
export function badge(status: Status): HTMLElement {
    return el(
        "span",
        {
            class: `badge is-${status.toLowerCase()}`,
            title: states[status].meaning,
        },
        el("span", { class: "sign", "aria-hidden": "true" }, states[status].shape),
        status,
    );
}

/** What the registry has against it, in its own words. */
export function problemBox(testid?: string): {
    box: HTMLElement;
    show(error: unknown): void;
    clear(): void;
} {
    const box = el("div", {
        class: "problem",
        role: "alert",
        testid,
        hidden: true,
    });
    return {
        box,
        show(error) {
            const problem =
                error instanceof Problem
                    ? error
                    : new Problem(0, "page", String((error as Error)?.message ?? error), null);
            box.hidden = false;
            box.replaceChildren(
                icon("warn"),
                el(
                    "div",
                    {},
                    el("p", {}, problem.detail),
                    problem.next !== null && el("p", { class: "muted" }, problem.next),
                ),
            );
        },
        clear() {
            box.hidden = true;
            box.replaceChildren();
        },
    };
}

export interface Dialog {
    element: HTMLDialogElement;
    body: HTMLElement;
    close(): void;
    /** Runs when it is closed, however that comes about. */
    closed: Promise<void>;
}

/**
 * A modal window with a heading that names it. Escape and its cross close it, unless it is `fixed`. The focus
 * goes back to where it was.
 */
export function openDialog(
    title: string,
    more: { testid: string; kind?: string; fixed?: boolean; alert?: boolean },
    ...children: Child[]
): Dialog {
    const heading = freshId("heading");
    const before = document.activeElement;
    const body = el("div", { class: "dialog-body" }, ...children);
    const element = el(
        "dialog",
        {
            class: `dialog ${more.kind ?? ""}`,
            testid: more.testid,
            role: more.alert ? "alertdialog" : "dialog",
            "aria-modal": "true",
            "aria-labelledby": heading,
        },
        el(
            "header",
            { class: "dialog-head" },
            el("h2", { id: heading, tabindex: "-1" }, title),
            !more.fixed &&
                button("Close", () => element.close(), {
                    icon: "close",
                    bare: true,
                    testid: "dialog-close",
                }),
        ),
        body,
    );
    if (more.fixed) {
        element.addEventListener("cancel", (event) => event.preventDefault());
        element.addEventListener(
            "keydown",
            (event) => event.key === "Escape" && event.preventDefault(),
        );
    }
    document.body.append(element);
    const closed = new Promise<void>((resolve) =>
        element.addEventListener("close", () => {
            element.remove();
            if (before instanceof HTMLElement && before.isConnected) {
                before.focus();
            }
            resolve();
        }),
    );
    element.showModal();
    return { element, body, close: () => element.close(), closed };
}

let toasts: HTMLElement | null = null;

/** A message that goes by itself; it is read out. */
export function toast(text: string): void {
    toasts ??= document.body.appendChild(
        el("div", {
            class: "toasts",
            role: "status",
            "aria-live": "polite",
            testid: "toast",
        }),
    );
    const message = el("div", { class: "toast" }, text);
    toasts.append(message);
    setTimeout(() => message.remove(), 6000);
}

/** A label with its field below. */
export function field(label: string, input: HTMLElement, hint?: Child): HTMLElement {
    input.id ||= freshId("field");
    return el("div", { class: "field" }, el("label", { for: input.id }, label), input, hint);
}

/** Text to be copied, in a box that can be selected and has a button for it. */
export function copyable(label: string, text: string, testid: string): HTMLElement {
    const box = el("pre", { class: "copyable", testid, tabindex: "0", "aria-label": label }, text);
    const copy = button(
        "Copy",
        () => {
            navigator.clipboard?.writeText(text).then(
                () => toast(`${label} copied`),
                () => getSelection()?.selectAllChildren(box),
            ) ?? getSelection()?.selectAllChildren(box);
        },
        { icon: "copy", kind: "small", describe: `Copy: ${label}` },
    );
    return el(
        "div",
        { class: "copy-box" },
        el("div", { class: "copy-head" }, el("h3", {}, label), copy),
        box,
    );
}
