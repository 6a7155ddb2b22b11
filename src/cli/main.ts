#!/usr/bin/env node
import { runCommandLine } from "./command-line.js";

// A reader that leaves (`headwater status | head -1`) is no reason to leave an operation half-way.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

// The exit code is set and the process left to end: all output is written then, and a handle left open would show.
process.exitCode = await runCommandLine(process.argv.slice(2));
