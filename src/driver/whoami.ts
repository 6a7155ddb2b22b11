import os from "node:os";

/** `user@host`. */
export function whoami(): string {
  return `${os.userInfo().username}@${os.hostname()}`;
}
