import type { Check } from "./check.js";

/** The stack puts out all of these, and none is empty. */
export function outputsPresent(names: readonly string[]): Check {
  return {
    name: "outputs-present",
    async run({ outputs }) {
      const missing = names.filter((name) =>
        [undefined, null, ""].includes(outputs[name] as string | undefined),
      );
      if (missing.length > 0) return { passed: false, message: `no ${missing.join(", no ")}` };
      return { passed: true, message: names.join(", ") };
    },
  };
}
