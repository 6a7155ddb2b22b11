import { QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/preact-query";
import type { Me, Problem } from "../schemas.js";
import { authorization, base } from "./session.js";

/** An answer that is an error. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

export async function ask<T>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  const response = await fetch(`${base}/api/v1${path}`, {
    method,
    headers: {
      ...authorization(),
      ...headers,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.ok) return (await response.json()) as T;
  throw new ApiError(await problemOf(response));
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    return (await response.json()) as Problem;
  } catch {
    const { status, statusText } = response;
    return { title: statusText || `the server answered ${status}`, status, code: "console/no-answer" };
  }
}

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      // What is wrong with a request does not pass by itself; a server that is away may come back.
      retry: (count, error) => count < 3 && !(error instanceof ApiError && error.problem.status < 502),
    },
  },
});

/** What a path answers; asked for again when something changes that it may speak of, or after `everyMs`. */
export function useGet<T>(path: string, options: { everyMs?: number; enabled?: boolean } = {}) {
  return useQuery<T>({
    queryKey: [path],
    queryFn: () => ask<T>("GET", path),
    ...(options.everyMs === undefined ? {} : { refetchInterval: options.everyMs }),
    ...(options.enabled === undefined ? {} : { enabled: options.enabled }),
  });
}

export function useMe(): Me | undefined {
  return useQuery<Me>({ queryKey: ["/me"], queryFn: () => ask<Me>("GET", "/me"), staleTime: Infinity }).data;
}

/** A change that people ask for. Sent again after a hiccup it is still one: it carries a key of its own. */
export function useChange<Body, Answer>(
  method: string,
  path: string | ((body: Body) => string),
  onDone?: (answer: Answer) => void,
) {
  const queries = useQueryClient();
  return useMutation<Answer, Error, Body>({
    mutationFn: async (body) => {
      const at = typeof path === "function" ? path(body) : path;
      const key = { "idempotency-key": crypto.randomUUID() };
      const sent = method === "DELETE" ? undefined : body;
      for (let tries = 0; ; tries += 1) {
        try {
          return await ask<Answer>(method, at, sent, key);
        } catch (error) {
          // Only a request whose answer got lost is sent again, and only where the key makes it one.
          if (error instanceof ApiError || tries >= 2 || !/^\/(promotions|ephemerals)$/.test(at)) throw error;
          await new Promise((resolve) => setTimeout(resolve, 1000));
        }
      }
    },
    onSuccess: (answer) => {
      void queries.invalidateQueries();
      onDone?.(answer);
    },
  });
}

/** After an operation has changed: what lists and the operation itself show. */
export function refresh(operation?: string): void {
  void client.invalidateQueries({
    predicate: ({ queryKey: [path] }) => {
      const key = String(path);
      if (operation !== undefined && key.startsWith(`/operations/${operation}`)) return true;
      return (
        /^\/(environments|approvals|operations(\?|$)|ephemerals|releases)$/.test(key) ||
        /^\/operations\?/.test(key)
      );
    },
  });
}
