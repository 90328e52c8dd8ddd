/* Small helpers to make elements. Text is always set as text: nothing here reads HTML. */

type Value = string | number | boolean | null | undefined | ((event: never) => void);
export type Child = Node | string | null | undefined | false;

/**
 * Makes an element. Attributes that are false, null or undefined are left out; those that start with `on` are
 * listeners; true stands for an attribute without a value. `data-testid` is spelt `testid`.
 */
export function el<K extends keyof HTMLElementTagNameMap>(
    name: K,
    attributes: Record<string, Value> = {},
    ...children: (Child | Child[])[]
): HTMLElementTagNameMap[K] {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function") {
            element.addEventListener(key.slice(2), value as EventListener);
        } else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(
                key === "testid" ? "data-testid" : key,
                value === true ? "" : String(value),
            );
        }
    }
    element.append(
        ...children.flat().filter((child): child is Node | string => !!child || child === ""),
    );
    return element;
}

/** Sets text only where it differs, so that what is selected or read out stays. */
export function setText(element: Element, text: string): void {
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

/** Makes the children of `parent` those given, in order, and moves only those that are not in place. */
export function arrange(parent: Element, children: Element[]): void {
    children.forEach((child, index) => {
        const there = parent.children[index];
        if (there !== child) {
            parent.insertBefore(child, there ?? null);
        }
    });
    while (parent.children.length > children.length) {
        parent.lastElementChild?.remove();
    }
}

let counter = 0;

/** An id that no other element has. */
export function freshId(prefix: string): string {
    return `${prefix}-${++counter}`;
}
