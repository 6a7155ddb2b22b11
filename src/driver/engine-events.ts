import type { EngineEvent, PolicyEvent, StepEventMetadata } from "@pulumi/pulumi/automation/index.js";
import type { ChangeSummary, NewEvent, Phase } from "./events.js";
import type { Redactor } from "./redact.js";

/** What the engine or a provider said about a failure. */
export interface EngineDiagnostic {
  /** The resource it is about; absent for what concerns the whole stack. */
  readonly urn?: string;
  readonly message: string;
}

/** What the engine would do to one resource. */
export interface PlannedChange {
  readonly urn: string;
  /** `aws:s3/bucket:Bucket` */
  readonly type: string;
  readonly name: string;
  /** `create`, `update`, `replace`, `delete`, `import`, ...: the engine's words. */
  readonly op: string;
  /** Properties that force a replacement. */
  readonly replaceKeys: readonly string[];
  /** Properties that differ. */
  readonly changedKeys: readonly string[];
  /** Inputs in the state and inputs planned; secret ones read `[secret]`, those not known yet as the engine marks them. */
  readonly old?: Readonly<Record<string, unknown>>;
  readonly new?: Readonly<Record<string, unknown>>;
}

/**
 * Turns the engine's events (undocumented, and not the same every time) into ours, and keeps what the engine said about
 * failures.
 */
export class EngineEvents {
  /** Error diagnostics in the order they came, each once. */
  readonly errors: EngineDiagnostic[] = [];
  /** Resources whose operation failed. */
  readonly failed: string[] = [];
  /** The summary, when the engine sent one. */
  changes: ChangeSummary | undefined;
  private readonly steps = new Map<string, PlannedChange>();

  constructor(
    private readonly phase: Phase,
    private readonly redactor: Redactor,
    private readonly emit: (event: NewEvent) => void,
  ) {}

  readonly accept = (event: EngineEvent): void => {
    const {
      diagnosticEvent: diagnostic,
      policyEvent,
      resourcePreEvent,
      resOutputsEvent,
      resOpFailedEvent,
      summaryEvent,
    } = event;
    // The SDK logs every registration as `debug`, which the type does not name.
    if (
      diagnostic !== undefined &&
      diagnostic.ephemeral !== true &&
      (diagnostic.severity as string) !== "debug"
    ) {
      const message = this.redactor.text(withoutStack(plain(diagnostic.message))).trim();
      const severity = diagnostic.severity === "info#err" ? "info" : diagnostic.severity;
      const about = diagnostic.urn ? { urn: diagnostic.urn } : {};
      // What the engine says of the stack once a resource has failed adds nothing.
      if (message === "" || /^(update|preview|destroy) (failed|canceled)$/.test(message)) return;
      if (
        severity === "error" &&
        !this.errors.some((known) => known.message === message && known.urn === about.urn)
      ) {
        this.errors.push({ ...about, message });
      }
      this.emit({ type: "diagnostic", phase: this.phase, severity, message, ...about });
    }
    if (policyEvent !== undefined) this.policy(policyEvent);
    if (resourcePreEvent !== undefined) {
      this.resource("started", resourcePreEvent.metadata);
      this.plan(resourcePreEvent.metadata);
    }
    if (resOutputsEvent !== undefined) {
      this.resource("done", resOutputsEvent.metadata);
      // What a refresh found is only known once it has looked.
      if (this.phase === "refresh") this.plan(resOutputsEvent.metadata);
    }
    if (resOpFailedEvent !== undefined) {
      this.failed.push(resOpFailedEvent.metadata.urn);
      this.resource("failed", resOpFailedEvent.metadata);
    }
    if (summaryEvent !== undefined) this.changes = counts(summaryEvent.resourceChanges);
  };

  /** What the engine planned for each resource, in its order; `same` left out. */
  get planned(): PlannedChange[] {
    return [...this.steps.values()];
  }

  private plan({ op, urn, type, keys, diffs, old, new: now }: StepEventMetadata): void {
    // A replacement comes as three steps; one of them says it all. What the engine only reads it does not change.
    const known = this.steps.get(urn);
    const kind = /replace/.test(op) ? "replace" : op;
    if (["same", "read", "refresh"].includes(op) || known?.op === "replace") return;
    // Providers are nothing in a cloud, and the engine does not count them.
    if (type.startsWith("pulumi:providers:")) return;
    this.steps.set(urn, {
      ...{ urn, type, name: nameOf(urn), op: kind },
      replaceKeys: keys ?? known?.replaceKeys ?? [],
      changedKeys: diffs ?? known?.changedKeys ?? [],
      ...(old?.inputs === undefined ? {} : { old: old.inputs as Record<string, unknown> }),
      ...(now?.inputs === undefined ? {} : { new: now.inputs as Record<string, unknown> }),
    });
  }

  /** A policy pack's word. The engine fails the operation by itself where the policy is mandatory. */
  private policy({ resourceUrn: urn, message, policyName, enforcementLevel }: PolicyEvent): void {
    const text = this.redactor.text(`policy ${policyName}: ${plain(message).trim()}`);
    const severity = enforcementLevel === "mandatory" ? "error" : "warning";
    const about = urn === undefined ? {} : { urn };
    if (severity === "error") this.errors.push({ ...about, message: text });
    this.emit({ type: "diagnostic", phase: this.phase, severity, message: text, ...about });
  }

  private resource(
    state: "started" | "done" | "failed",
    { op, urn, type }: { op: string; urn: string; type: string },
  ): void {
    this.emit({ type: "resource", phase: this.phase, op, state, urn, resourceType: type, name: nameOf(urn) });
  }
}

/** The engine's summary without operations that no resource had. */
export function counts(summary: Readonly<Record<string, number | undefined>> | undefined): ChangeSummary {
  return Object.fromEntries(
    Object.entries(summary ?? {}).filter((entry): entry is [string, number] => (entry[1] ?? 0) > 0),
  );
}

/** Whether a type is of the engine's own, the stack itself or a provider: nothing in a cloud. */
export function isEnginesOwn(type: string): boolean {
  return /^pulumi:(pulumi:Stack$|providers:)/.test(type);
}

/** `urn:pulumi:dev::project::type::name` -> `name`. */
export function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::") || urn;
}

/** The engine marks colours as `<{%fg 1%}>` even where none are asked for. */
export function plain(text: string): string {
  return text.replace(/<\{%[^%]*%\}>/g, "");
}

/** Lines of a JavaScript stack say nothing to a reader; an error's cause keeps its own. */
function withoutStack(text: string): string {
  return text.replace(/\n\s+at .*/g, "");
}
