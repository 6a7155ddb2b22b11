import { HeadwaterError } from "../../model/errors.js";
import type { GateEvent } from "../events.js";
import type { Gate, GateContext, Override } from "./gate.js";

/** What one gate said, and what became of it. */
export type GateVerdict = Pick<GateEvent, "rule" | "verdict" | "findings" | "reason">;

/** One or more gates are shut. */
export class GateError extends HeadwaterError {
  constructor(
    stack: string,
    /** Every gate's verdict, in order. */
    readonly verdicts: readonly GateVerdict[],
    why: string | undefined,
  ) {
    const refused = verdicts.filter(({ verdict }) => verdict === "refused");
    const rules = refused.map(({ rule }) => rule);
    super(
      "driver/gate-refused",
      `${rules.length === 1 ? "a gate" : `${rules.length} gates`} refused the changes`,
      {
        where: `stack ${stack}`,
        field: rules.join(", "),
        found: refused
          .flatMap(({ rule, findings }) => [
            ...findings
              .slice(0, SHOWN)
              .map(({ urn, message }) => `${rule}: ${urn === undefined ? "" : `${urn} `}${message}`),
            ...(findings.length > SHOWN ? [`${rule}: and ${findings.length - SHOWN} more`] : []),
          ])
          .join("\n         "),
        remedy:
          why ??
          `Mend the cause. To go on against a rule, override it with a reason, which is recorded (on the command line: --override ${rules[0] ?? ""}="why").`,
      },
    );
  }
}

/** Findings of one gate that an error shows; the record has them all. */
const SHOWN = 10;

/** Asks every gate, also after one has refused: people see all that stands in the way. */
export async function judgeGates(
  gates: readonly Gate[],
  overrides: readonly Override[],
  context: GateContext,
  told: (verdict: GateVerdict) => Promise<void>,
): Promise<GateVerdict[]> {
  const verdicts: GateVerdict[] = [];
  let final: string | undefined;
  for (const gate of gates) {
    const { rule } = gate;
    const findings = await gate.judge(context);
    const override = overrides.find(
      (each) => each.rule === rule && (each.environment ?? context.environment) === context.environment,
    );
    const forbidden = gate.final?.(context);
    let verdict: GateVerdict = { rule, verdict: "passed", findings };
    if (findings.length > 0) {
      verdict =
        override !== undefined && forbidden === undefined
          ? { rule, verdict: "overridden", findings, reason: override.reason }
          : { rule, verdict: "refused", findings };
      if (verdict.verdict === "refused") final ??= forbidden;
    }
    verdicts.push(verdict);
    await told(verdict);
  }
  if (verdicts.some(({ verdict }) => verdict === "refused")) {
    throw new GateError(
      context.stack,
      verdicts,
      final === undefined ? undefined : `There is no override: ${final}.`,
    );
  }
  return verdicts;
}

/** @throws HeadwaterError `driver/bad-override` for one without a reason, or of a rule that no gate has. */
export function checkOverrides(overrides: readonly Override[], rules: readonly string[]): void {
  for (const { rule, reason } of overrides) {
    if (!rules.includes(rule)) {
      throw new HeadwaterError("driver/bad-override", "there is no such rule to override", {
        field: "overrides",
        found: rule,
        allowed: rules.join(", "),
      });
    }
    if (reason.trim() !== "") continue;
    throw new HeadwaterError("driver/bad-override", "an override needs a reason", {
      field: `overrides.${rule}`,
      found: "nothing",
      remedy: "Say why: it is recorded.",
    });
  }
}
