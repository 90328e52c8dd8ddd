/* How figures and moments are written for people. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** 1234567 -> "1.2 MB". Decimal units, two significant places below ten. */
export function bytes(count: number): string {
    let value = count;
    let unit = 0;
    while (value >= 999.5 && unit < UNITS.length - 1) {
        value /= 1000;
        unit++;
    }
    return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Bytes per second. */
export function rate(perSecond: number): string {
    return `${bytes(perSecond)}/s`;
}

/** A length of time, in the largest unit that says enough: 95 -> "1 min", 7200 -> "2 h". */
export function duration(seconds: number): string {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) {
        return `${whole} s`;
    }
    if (whole < 3600) {
        return `${Math.floor(whole / 60)} min`;
    }
    if (whole < 48 * 3600) {
        return `${Math.floor(whole / 3600)} h`;
    }
    return `${Math.floor(whole / 86400)} d`;
}

/** How long ago that moment was. */
export function age(moment: string, now: number): string {
    return duration((now - Date.parse(moment)) / 1000);
}

/** HH:MM:SS of this place. */
export function clock(time: number): string {
    const at = new Date(time);
    return [at.getHours(), at.getMinutes(), at.getSeconds()]
        .map((n) => String(n).padStart(2, "0"))
        .join(":");
}

/** Date and time of this place, as this place writes them. */
export function moment(text: string): string {
    const time = Date.parse(text);
    return Number.isNaN(time) ? text : new Date(time).toLocaleString();
}

/** "1 stream", "2 streams". */
export function counted(count: number, one: string, many = `${one}s`): string {
    return `${count} ${count === 1 ? one : many}`;
}
