import { createParser } from "eventsource-parser";
import { useEffect, useRef, useState } from "preact/hooks";
import { authorization, base } from "./session.js";

export interface StreamEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export type Connection = "connecting" | "live" | "lost" | "ended";

const FIRST_MS = 500;
const LONGEST_MS = 10_000;
/** The server gives a sign of life every 15 s; a connection that gives none for this long has died unnoticed. */
const SILENCE_MS = 40_000;

/**
 * Follows a stream for as long as the component is there. After a drop it comes back by itself, behind the event it saw last.
 * A stream of fetch and not an EventSource, which can send no token.
 */
export function useStream(path: string | undefined, onEvent: (event: StreamEvent) => void): Connection {
  const [connection, setConnection] = useState<Connection>("connecting");
  const handler = useRef(onEvent);
  handler.current = onEvent;
  useEffect(() => {
    if (path === undefined) return;
    const abort = new AbortController();
    void follow(path, abort.signal, (event) => handler.current(event), setConnection);
    return () => abort.abort();
  }, [path]);
  return connection;
}

async function follow(
  path: string,
  signal: AbortSignal,
  onEvent: (event: StreamEvent) => void,
  tell: (connection: Connection) => void,
): Promise<void> {
  let last: string | undefined;
  let wait = FIRST_MS;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
    };
    try {
      const response = await fetch(`${base}/api/v1${path}`, {
        headers: { ...authorization(), ...(last === undefined ? {} : { "last-event-id": last }) },
        signal: AbortSignal.any([signal, silence.signal]),
        cache: "no-store",
      });
      if (response.status === 401 || response.status === 404) return tell("ended");
      if (!response.ok || response.body === null) throw new Error(`the stream answered ${response.status}`);
      tell("live");
      wait = FIRST_MS;
      let over = false;
      const parser = createParser({
        onEvent: ({ id, event = "message", data }) => {
          if (id !== undefined) last = id;
          const told = JSON.parse(data) as Record<string, unknown>;
          if (event === "outcome" && !["running", "interrupted"].includes(String(told["outcome"])))
            over = true;
          onEvent({ event, data: told });
        },
      });
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        heard();
        parser.feed(decoder.decode(part.value, { stream: true }));
      }
      if (over) return tell("ended");
    } catch {
      if (signal.aborted) return;
    } finally {
      clearTimeout(timer);
    }
    tell("lost");
    await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
    wait = Math.min(wait * 2, LONGEST_MS);
  }
}
