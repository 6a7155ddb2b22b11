import { useEffect, useState } from "preact/hooks";

const NUMBER = new Intl.NumberFormat("en");
const WHEN = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export function number(value: number): string {
  return NUMBER.format(value);
}

/** `2 h 5 min`, `14 s`, `820 ms`: the two largest units. */
export function duration(ms: number): string {
  const [past, rest] = ms < 0 ? ["-", -ms] : ["", ms];
  if (rest < 1000) return `${past}${Math.round(rest)} ms`;
  const seconds = Math.round(rest / 1000);
  if (seconds < 60) return `${past}${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60)
    return `${past}${minutes} min${minutes < 10 && seconds % 60 > 0 ? ` ${seconds % 60} s` : ""}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${past}${hours} h${minutes % 60 > 0 ? ` ${minutes % 60} min` : ""}`;
  return `${past}${Math.floor(hours / 24)} d${hours % 24 > 0 ? ` ${hours % 24} h` : ""}`;
}

export function ago(time: string, now: number): string {
  const ms = now - Date.parse(time);
  return ms < 5000 ? "just now" : `${duration(ms < 60_000 ? ms : Math.floor(ms / 60_000) * 60_000)} ago`;
}

export function when(time: string): string {
  return WHEN.format(new Date(time));
}

export function short(id: string): string {
  return id.slice(0, 12);
}

/** The time, every so often, for what is told relative to it. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

const ORDER = ["delete", "replace", "update", "create", "import", "same"];

/** `3 create, 1 update`; what stays the same is left out. */
export function changesText(changes: Readonly<Record<string, number>>): string {
  const parts = Object.entries(changes)
    .filter(([op, count]) => op !== "same" && op !== "read" && count > 0)
    .sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
    .map(([op, count]) => `${number(count)} ${op}`);
  return parts.length === 0 ? "no changes" : parts.join(", ");
}

/** `aws:s3/bucket:Bucket` -> `Bucket`. */
export function typeName(type: string): string {
  return type.split(":").at(-1) ?? type;
}
