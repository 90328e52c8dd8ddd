/* The list of instances beside the drawing: the way to all of them without a pointer. */

import { health } from "./advice";
import { arrange, el, setText } from "./dom";
import type { Selection } from "./graph";
import type { Model } from "./model";
import type { Instance } from "./api";

interface Item {
    element: HTMLLIElement;
    button: HTMLButtonElement;
    note: HTMLElement;
    dot: HTMLElement;
}

/** Whether each word of the search is in the name of the instance, or in that of one of its interfaces. */
export function isFound(instance: Instance, search: string): boolean {
    const shown = [instance, ...instance.inbounds, ...instance.outbounds]
        .map((each) => each.name)
        .join(" ");
    return search
        .toLowerCase()
        .split(/\s+/)
        .every((word) => shown.includes(word));
}

export class InstanceList {
    readonly element: HTMLElement;
    private readonly list: HTMLUListElement;
    private readonly none: HTMLElement;
    private readonly items = new Map<string, Item>();

    constructor(
        private readonly model: Model,
        private readonly select: (name: string) => void,
        foot: HTMLElement,
    ) {
        this.list = el("ul", {
            class: "instances",
            testid: "instances",
            "aria-label": "Applications",
        });
        this.none = el("p", { class: "muted none", hidden: true }, "None is found.");
        this.element = el(
            "nav",
            { class: "sidebar", id: "sidebar", "aria-label": "Applications" },
            this.list,
            this.none,
            foot,
        );
    }

    /** Returns the names that are found, or null if nothing is searched for. */
    update(search: string, selection: Selection): Set<string> | null {
        const wanted = search.trim() === "" ? null : new Set<string>();
        const shown: Element[] = [];
        for (const name of this.items.keys()) {
            if (!this.model.instances.has(name)) {
                this.items.delete(name);
            }
        }
        const all = [...this.model.instances.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
        for (const instance of all) {
            if (wanted && !isFound(instance, search.trim())) {
                continue;
            }
            wanted?.add(instance.name);
            const item = this.items.get(instance.name) ?? this.make(instance.name);
            const { health: state, note } = health(instance, this.model.connections);
            item.dot.className = `dot is-${state}`;
            setText(item.note, note);
            item.button.setAttribute(
                "aria-current",
                String(selection?.kind === "instance" && selection.name === instance.name),
            );
            shown.push(item.element);
        }
        arrange(this.list, shown);
        this.none.hidden = shown.length > 0 || all.length === 0;
        return wanted;
    }

    private make(name: string): Item {
        const dot = el("span", { "aria-hidden": "true" });
        const note = el("span", { class: "note" });
        const button = el(
            "button",
            {
                type: "button",
                testid: "instance-item",
                "data-name": name,
                onclick: () => this.select(name),
            },
            dot,
            el("span", { class: "name" }, name),
            note,
        );
        const item = { element: el("li", {}, button), button, note, dot };
        this.items.set(name, item);
        return item;
    }
}
