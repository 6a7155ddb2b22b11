import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { EngineCommand } from "../engine-command.js";
import { asHeadwaterError } from "../errors.js";
import { runOperation, type OperationResult } from "../operation.js";
import { Redactor } from "../redact.js";
import { importEntry } from "../release-store.js";
import { programOf, stackOf } from "../stack-settings.js";
import { StackWorkspace } from "../stack-workspace.js";
import { toPlain, type FromHost, type Request, type ToHost } from "./messages.js";

/*
 * A process for one operation, started by run.ts: it loads the release's own modules, runs the program, and ends. When the
 * process that asked for it is gone, it goes as well; the engine, left alone, finishes what it has in hand.
 */

const gentle = new AbortController();
const firm = new AbortController();

process.on("message", (message: ToHost) => {
  if (message.type === "stop") (message.firm ? firm : gentle).abort(new Error("stopped"));
  else void answer(message.request);
});
process.on("disconnect", () => process.exit());

async function answer(request: Request): Promise<void> {
  let message: FromHost;
  try {
    message = { type: "result", result: await run(request) };
  } catch (error) {
    const known = asHeadwaterError(error, "driver/internal", `${request.kind} failed`);
    message = { type: "error", error: toPlain(known, request.stack) };
  }
  // A program may have left timers and sockets: nothing waits for them.
  if (process.connected) process.send?.(message, () => process.exit());
  else process.exit();
}

async function run(request: Request): Promise<OperationResult> {
  const { home, stack, folder, document, kind, options, environment, release } = request;
  const loaded = stackOf(`stack ${stack}`, environment, request, document, await importEntry(request.entry));
  const { command, version } = await PulumiCommand.get({ root: home.engineRoot });
  const workspace = StackWorkspace.at(
    { ...home, command: new EngineCommand(command, version) },
    stack,
    document,
    folder,
  );
  const redactor = new Redactor({ ...process.env, ...home.environment });
  redactor.learn(document.config);
  return runOperation(workspace, kind, {
    ...options,
    program: programOf(loaded, release),
    redactor,
    emit: (event) => {
      if (process.connected) process.send?.({ type: "event", event } satisfies FromHost);
    },
    signal: gentle.signal,
    firmSignal: firm.signal,
  });
}
