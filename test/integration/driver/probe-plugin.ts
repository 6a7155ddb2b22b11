import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { main, type Provider } from "@pulumi/pulumi/provider/index.js";

/** Inputs of `probe:index:Thing`, the resource the driver's tests deploy. */
export interface ThingInputs {
  /** What `create` and `update` do. `busy-once`: fail as a busy bucket does, unless the file `until` exists, which is made. `wait`: hold on until the file `until` exists, having made `until` + `.begun`. */
  readonly behaviour: "ok" | "fail" | "busy-once" | "wait";
  readonly until?: string;
  readonly value?: string;
  /** A folder that stands for the cloud: what exists has a file there, named by `value`. */
  readonly cloud?: string;
}

/** Makes nothing but a name for itself; runs as a plugin process, started by the engine. */
class Probe implements Provider {
  readonly version = "0.0.1";

  create = async (_urn: string, inputs: ThingInputs) => {
    if (inputs.cloud !== undefined && inputs.behaviour !== "fail") writeFileSync(fileOf(inputs), "");
    await behave(inputs);
    return { id: "thing", outs: inputs };
  };

  update = async (_id: string, _urn: string, _olds: ThingInputs, news: ThingInputs) => {
    await behave(news);
    return { outs: news };
  };

  diff = async (_id: string, _urn: string, olds: ThingInputs, news: ThingInputs) => ({
    changes: JSON.stringify(olds) !== JSON.stringify(news),
  });

  delete = async (_id: string, _urn: string, props: ThingInputs) => {
    if (props.cloud !== undefined) rmSync(fileOf(props));
  };

  /** As somebody may have left it: changed where the file `until` + `.changed` is, gone where `.gone` is. */
  read = async (id: string, _urn: string, props: ThingInputs) => {
    const { until = "" } = props;
    if (existsSync(`${until}.gone`)) return { id: "", props: {} };
    const value = existsSync(`${until}.changed`) ? "by hand" : props.value;
    return { id, props: { ...props, value }, inputs: { ...props, value } };
  };
}

function fileOf({ cloud = "", value = "" }: ThingInputs): string {
  return path.join(cloud, value);
}

async function behave({ behaviour, until = "", value }: ThingInputs): Promise<void> {
  if (behaviour === "fail") throw new Error(`the probe was told to fail with ${value ?? "nothing"}`);
  if (behaviour === "busy-once" && !existsSync(until)) {
    writeFileSync(until, "");
    throw new Error("OperationAborted: A conflicting conditional operation is currently in progress");
  }
  if (behaviour === "wait") {
    writeFileSync(`${until}.begun`, "");
    while (!existsSync(until)) await sleep(20);
  }
}

await main(new Probe(), process.argv.slice(2));
