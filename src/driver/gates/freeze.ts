import { WEEKDAYS, type Freeze } from "../../settings/promotion-rules.js";

const DAY = 24 * 60;
const WEEK = 7 * DAY;

/** Why nothing may be changed now; undefined outside the window. Windows are half-open: at their end work goes on. */
export function frozenBy(window: Freeze, now: Date): string | undefined {
  if ("weekly" in window) {
    const { weekly, timezone, reason } = window;
    const from = minuteOfWeek(weekly.from);
    const length = (minuteOfWeek(weekly.until) - from + WEEK) % WEEK;
    const since = (minuteOf(now, timezone) - from + WEEK) % WEEK;
    if (since >= length) return undefined;
    return `frozen every week from ${weekly.from} to ${weekly.until} (${timezone}): ${reason}`;
  }
  const { from, until, reason } = window;
  if (now.getTime() < Date.parse(from) || now.getTime() >= Date.parse(until)) return undefined;
  return `frozen from ${from} to ${until}: ${reason}`;
}

/** `Tue 00:30` -> 1470. */
function minuteOfWeek(text: string): number {
  const [day = "", time = ""] = text.split(" ");
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return WEEKDAYS.findIndex((name) => name === day) * DAY + hours * 60 + minutes;
}

function minuteOf(now: Date, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en-GB", {
    ...{ timeZone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  }).formatToParts(now);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? "";
  return minuteOfWeek(`${part("weekday")} ${part("hour")}:${part("minute")}`);
}
