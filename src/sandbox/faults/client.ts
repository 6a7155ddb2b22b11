import { HeadwaterError } from "../../model/errors.js";
import { FAULTS_PATH } from "./front.js";
import { checkRule, type FaultReport, type FaultRule } from "./rule.js";

/**
 * The faults of a sandbox that is up, in this process or another: any of its addresses (`urls.aws`, `urls.dms`,
 * `urls.workspace`) leads to all of them. Rules stay until they are cleared.
 */
export class SandboxFaults {
  readonly #url: string;

  constructor(address: string) {
    this.#url = new URL(FAULTS_PATH, address).href;
  }

  /**
   * Has calls to the sandbox go wrong, from now on.
   * @throws HeadwaterError `sandbox/fault-rule` for a rule that makes no sense, `sandbox/faults-unreachable`
   */
  async add(rule: FaultRule): Promise<FaultReport> {
    return (await this.#call("POST", checkRule(rule))) as FaultReport;
  }

  /** Every rule in the order they came, with how often it has struck. */
  async list(): Promise<FaultReport[]> {
    return (await this.#call("GET")) as FaultReport[];
  }

  /** Takes all rules back: everything answers truly again. */
  async clear(): Promise<void> {
    await this.#call("DELETE");
  }

  async #call(method: string, body?: object): Promise<unknown> {
    const unreachable = (found: string, options?: ErrorOptions): HeadwaterError =>
      new HeadwaterError(
        "sandbox/faults-unreachable",
        "the sandbox does not take faults",
        { where: this.#url, found, remedy: "Look whether a sandbox is up at that address." },
        options,
      );
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.#url, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      text = await response.text();
    } catch (cause) {
      throw unreachable(String((cause as Error).cause ?? cause), { cause });
    }
    if (!response.ok) throw unreachable(`${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text) as unknown;
  }
}
