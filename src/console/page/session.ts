/*
 * The token of a console that runs alone comes in the address's fragment, which no server and no log ever sees. It is kept for this tab
 * only, and taken out of the address. Embedded in a portal there is none: the portal's own cookies are sent.
 */
const KEY = "headwater-token";

export function takeToken(): void {
  const [, token] = /^#token=([A-Za-z0-9_-]+)$/.exec(location.hash) ?? [];
  if (token === undefined) return;
  sessionStorage.setItem(KEY, token);
  history.replaceState(null, "", location.pathname + location.search);
}

export function setToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(KEY);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** The path that the page lies under, without a slash at its end. */
export const base = new URL(document.baseURI).pathname.replace(/\/$/, "");
