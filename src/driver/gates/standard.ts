import { heldBy } from "../../model/data-holders.js";
import type { GateFinding } from "../events.js";
import { frozenBy } from "./freeze.js";
import type { Gate, GateContext } from "./gate.js";

/** Nothing that holds data or a position is deleted or replaced. */
export const keepsData: Gate = {
  rule: "keeps-data",
  final: ({ rollback }) => (rollback ? "a rollback never gives up data" : undefined),
  judge: ({ planned }) =>
    planned.flatMap(({ urn, type, op, replaceKeys }) => {
      const held = heldBy(type);
      if (held === undefined || (op !== "delete" && op !== "replace")) return [];
      const why =
        op === "replace" && replaceKeys.length > 0 ? ` because ${replaceKeys.join(", ")} changed` : "";
      return [{ urn, message: `${op} of what holds ${held}${why}` }];
    }),
};

/** Not more changes than the environment's rules allow. What is made for the first time is no change. */
export const maxChanges: Gate = {
  rule: "max-changes",
  judge({ planned, rules: { maxChanges: most }, last }) {
    if (most === undefined || last === undefined || planned.length <= most) return [];
    return [{ message: `${planned.length} resources would change, allowed are ${most}` }];
  },
};

/** The stack is as Headwater left it. */
export const released: Gate = {
  rule: "released",
  judge({ last }) {
    if (last === undefined || last.release !== undefined || last.kind === "destroy") return [];
    const said = last.message === "" ? "" : ` ("${last.message}")`;
    return [
      {
        message: `the last ${last.kind}${said} of ${last.at} was no promotion's: its changes are unreleased`,
      },
    ];
  },
};

/** The release and the settings explain the plan: what is deployed already has nothing left to change. */
export const explained: Gate = {
  rule: "explained",
  judge({ last, release, settingsDigest, planned }) {
    const same =
      last?.result === "succeeded" && last.release === release.id && last.settings === settingsDigest;
    if (!same) return [];
    return planned.map(({ urn, op }) => ({
      urn,
      message: `${op}, though this very release was deployed with these very settings at ${last.at}`,
    }));
  },
};

/** Where the rules ask for it: cloud and state agree. */
export const noDrift: Gate = {
  rule: "drift",
  async judge(context) {
    if (context.rules.drift === "ignore") return [];
    return (await context.drift()).map(({ urn, op, changedKeys }) => ({
      urn,
      message:
        op === "delete"
          ? "is gone from the cloud"
          : `was changed outside of a promotion${changedKeys.length > 0 ? `: ${changedKeys.join(", ")}` : ""}`,
    }));
  },
};

/** The release has passed in the environment before. */
export const proven: Gate = {
  rule: "proven",
  async judge({ before, release, rollback, ...context }) {
    // A rollback goes to a release that passed in this very environment.
    if (before === undefined || rollback || (await context.proofIn(before)) !== undefined) return [];
    return [{ message: `release ${release.id.slice(0, 12)} has not passed in ${before} yet` }];
  },
};

/** No freeze window is open. A rollback is no change anybody plans: it may. */
export const notFrozen: Gate = {
  rule: "freeze",
  judge: ({ rules: { freeze }, rollback, now, planned }) =>
    rollback || planned.length === 0 ? [] : freeze.flatMap((window) => findings(frozenBy(window, now))),
};

/** Protected environments keep the data of what is destroyed. */
export const noForceDestroy: Gate = {
  rule: "force-destroy",
  judge: ({ planned, rules }) =>
    rules.protected
      ? planned
          .filter(({ new: inputs }) => inputs?.["forceDestroy"] === true)
          .filter(({ type }) => heldBy(type) !== undefined)
          .map(({ urn }) => ({
            urn,
            message: "would be destroyed with its data, in a protected environment",
          }))
      : [],
};

/** Everything that is asked of a plan unless the caller says otherwise, in this order. */
export function standardGates(): Gate[] {
  return [notFrozen, proven, released, explained, noDrift, keepsData, noForceDestroy, maxChanges];
}

function findings(reason: string | undefined): GateFinding[] {
  return reason === undefined ? [] : [{ message: reason }];
}

/** A policy: what it says of one resource that would be made or changed; undefined where nothing. */
export type Policy = (
  resource: {
    readonly type: string;
    readonly urn: string;
    readonly inputs: Readonly<Record<string, unknown>>;
  },
  context: GateContext,
) => string | undefined;

/**
 * A gate of a policy, asked for every resource that would be made or changed. Inputs not known before `up` are what the engine
 * writes for them, and secret ones read `[secret]`: a policy can ask for what is written, not for what comes of it.
 */
export function policyGate(rule: string, policy: Policy): Gate {
  return {
    rule,
    judge: (context) =>
      context.planned.flatMap(({ urn, type, op, new: inputs }) => {
        if (inputs === undefined || op === "delete") return [];
        const message = policy({ urn, type, inputs }, context);
        return message === undefined ? [] : [{ urn, message }];
      }),
  };
}
