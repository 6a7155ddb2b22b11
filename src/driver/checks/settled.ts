import type { Check } from "./check.js";

/** A second preview of the release shows no change: what is deployed is what was meant. */
export function settled(): Check {
  return {
    name: "settled",
    async run({ preview }) {
      const { planned } = await preview();
      const [first, ...others] = planned.map(({ op, urn, changedKeys }) =>
        [`${op} ${urn}`, ...(changedKeys.length > 0 ? [`(${changedKeys.join(", ")})`] : [])].join(" "),
      );
      if (first === undefined) return { passed: true, message: "a second preview shows no change" };
      const more = others.length === 0 ? "" : ` and ${others.length} more`;
      return { passed: false, message: `a second preview would ${first}${more}` };
    },
  };
}
