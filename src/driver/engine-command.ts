import { spawn } from "node:child_process";
import path from "node:path";
import type * as automation from "@pulumi/pulumi/automation/index.js";
import { HeadwaterError } from "../model/errors.js";
import { PipedOutput, SpooledOutput } from "./engine-output.js";

/** What a run of the engine's CLI left. */
export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** The CLI ended badly. Its words are kept for the code that makes an error for people of them. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";

  constructor(
    readonly command: string,
    readonly output: CommandOutput,
    /** The signal that ended it, ours or another's. */
    readonly killedBy: NodeJS.Signals | null,
  ) {
    // Neither arguments nor environment: both may be long, and what matters is said on stderr.
    super(`pulumi ${command} ended with ${killedBy ?? `code ${output.code}`}: ${output.stderr.trim()}`);
  }
}

/** How an operation is asked to stop: first gently (the engine finishes the resources in hand), then at once. */
export class Interruption {
  private level: "none" | "gentle" | "firm" = "none";
  private readonly children = new Set<{ interrupt(): void; kill(): void }>();

  /** SIGINT: the engine starts no further resource and waits for those in hand. */
  gentle(): void {
    if (this.level === "none") this.level = "gentle";
    for (const child of this.children) child.interrupt();
  }

  /** SIGKILL to the engine and whatever shares its process group. */
  firm(): void {
    this.level = "firm";
    for (const child of this.children) child.kill();
  }

  /** @internal */
  watch(child: { interrupt(): void; kill(): void }): () => void {
    this.children.add(child);
    if (this.level === "gentle") child.interrupt();
    if (this.level === "firm") child.kill();
    return () => this.children.delete(child);
  }
}

/**
 * The engine's CLI as the Automation API runs it. It stands in for the SDK's own `PulumiCommand`, which can only send one
 * SIGINT, shares the terminal's process group (so that Ctrl-C reaches the engine behind our back) and puts the
 * whole command line into its errors.
 */
export class EngineCommand {
  /** @param command path of the `pulumi` executable. */
  constructor(
    readonly command: string,
    readonly version: automation.PulumiCommand["version"],
    private readonly interruption?: Interruption,
  ) {}

  /** The same CLI, for an operation that can be interrupted. */
  interruptible(interruption: Interruption): EngineCommand {
    return new EngineCommand(this.command, this.version, interruption);
  }

  /** Called by the Automation API, and by ours for the subcommands it lacks. */
  run(
    args: readonly string[],
    cwd: string,
    environment: Readonly<Record<string, string>>,
    onOutput?: (text: string) => void,
    onError?: (text: string) => void,
  ): Promise<CommandOutput> {
    return new Promise((resolve, reject) => {
      // What changes clouds has to live on without us; what others print may be secret, and never lies on a disk.
      const Output = CHANGING.has(args[0] ?? "") ? SpooledOutput : PipedOutput;
      const [out, error] = [new Output(cwd, onOutput), new Output(cwd, onError)];
      const child = spawn(this.command, [...args, "--non-interactive"], {
        cwd,
        env: {
          ...process.env,
          ...environment,
          // The plugins and language hosts that came with this engine are found before any others.
          PATH: `${path.dirname(this.command)}${path.delimiter}${environment["PATH"] ?? process.env["PATH"] ?? ""}`,
          PULUMI_AUTOMATION_API: "true",
          PULUMI_SKIP_UPDATE_CHECK: "true",
        },
        stdio: ["ignore", out.stdio, error.stdio],
        detached: true,
      });
      out.listen(child.stdout);
      error.listen(child.stderr);
      const unwatch = this.interruption?.watch({
        interrupt: () => child.kill("SIGINT"),
        kill: () => killGroup(child.pid),
      });
      const end = (code: number): CommandOutput => {
        unwatch?.();
        return { stdout: out.end(), stderr: error.end(), code };
      };
      child.on("error", (cause) => {
        end(-1);
        reject(
          new HeadwaterError(
            "driver/engine-missing",
            "the Pulumi engine could not be started",
            { where: this.command, found: cause.message },
            { cause },
          ),
        );
      });
      child.on("close", (code, signal) => {
        const output = end(code ?? -1);
        if (code === 0) resolve(output);
        else reject(new CommandFailure(args.slice(0, 2).join(" "), output, signal));
      });
    });
  }
}

/** Operations that change what is in the clouds. */
const CHANGING = new Set(["up", "destroy", "refresh", "import"]);

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // Gone already.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
