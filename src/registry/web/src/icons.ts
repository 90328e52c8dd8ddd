/* The few pictures of the page, made of paths. They say nothing to a screen reader: the button's name does. */

const NS = "http://www.w3.org/2000/svg";

const paths = {
    plug: "M8 3v5M16 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
    wire: "M5 5.5h4c6 0 2 13 8 13h2M5 3.5v4M19 16.5v4",
    list: "M4 6h16M4 12h16M4 18h16",
    add: "M12 5v14M5 12h14",
    close: "M6 6l12 12M18 6L6 18",
    fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
    minus: "M5 12h14",
    arrange: "M4 5h6v5H4zM14 4h6v5h-6zM14 15h6v5h-6zM10 7.5h4M10 8c2 0 2 9.5 4 9.5",
    sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.400M17.6 17.600L19 19M5 19l1.4-1.400M17.6 6.400L19 5",
    moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
    auto: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 3v18M12 7h4M12 11h6M12 15h5.5",
    out: "M14 4H6v16h8M10 12h10M17 8.5l3.5 3.5-3.5 3.5",
    search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5L20 20",
    arrow: "M4 12h15M13 6l6 6-6 6",
    key: "M8 10.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8M11 12l8-8M16 7l3 3",
    trash: "M5 7h14M9.5 7V4h5v3M7 7l1 13h8l1-13",
    copy: "M9 9h11v11H9zM5 15H4V4h11v1",
    warn: "M12 4L2.5 20h19zM12 10v5M12 17.5v.1",
} as const;

export type Icon = keyof typeof paths;

export function icon(name: Icon): SVGSVGElement {
    const svg = document.createElementNS(NS, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", "icon");
    const path = document.createElementNS(NS, "path");
    path.setAttribute("d", paths[name]);
    svg.append(path);
    return svg;
}

/** A line through `values` (oldest first), scaled to `most`, with the area below it. */
export function sparkline(
    series: { values: { time: number; value: number }[]; kind: string }[],
    span: { from: number; to: number },
    label: string,
): SVGSVGElement {
    const width = 320;
    const height = 56;
    const svg = document.createElementNS(NS, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", "sparkline");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    const most = Math.max(1, ...series.flatMap((each) => each.values.map((point) => point.value)));
    for (const { values, kind } of series) {
        if (values.length === 0) {
            continue;
        }
        const line = values
            .map(({ time, value }) => {
                const x = ((time - span.from) / (span.to - span.from)) * width;
                const y = height - 2 - (value / most) * (height - 6);
                return `${x.toFixed(1)} ${y.toFixed(1)}`;
            })
            .join("L");
        const first = (((values[0]!.time - span.from) / (span.to - span.from)) * width).toFixed(1);
        const last = (((values.at(-1)!.time - span.from) / (span.to - span.from)) * width).toFixed(
            1,
        );
        for (const [shape, d] of [
            ["area", `M${first} ${height}L${line}L${last} ${height}Z`],
            ["line", `M${line}`],
        ] as const) {
            const path = document.createElementNS(NS, "path");
            path.setAttribute("d", d);
            path.setAttribute("class", `${shape} ${kind}`);
            svg.append(path);
        }
    }
    return svg;
}
