import * as databricks from "@pulumi/databricks";
import * as pulumi from "@pulumi/pulumi";
import { physicalName } from "../model/naming.js";
import type { ExportKind } from "../model/pipeline-config.js";

/** What starts the job. */
export type JobTrigger =
  | {
      readonly on: "fileArrival";
      readonly minTimeBetweenTriggersSeconds: number;
      readonly waitAfterLastChangeSeconds?: number | undefined;
    }
  | { readonly on: "schedule"; readonly cron: string; readonly timezone: string }
  | { readonly on: "manual" };

/** What the job runs on. */
export type JobCompute =
  | { readonly kind: "serverless" }
  | {
      readonly kind: "jobCluster";
      readonly sparkVersion: string;
      readonly nodeTypeId: string;
      readonly workers: number;
    };

export interface IngestionJobArgs {
  /** `<pipeline>-<environment>`; names the job. */
  readonly stack: string;
  /** Folder of the notebooks, once they are there. */
  readonly notebooksPath: pulumi.Input<string>;
  /** What DMS writes: the only thing a file-arrival trigger may watch. */
  readonly incomingUrl: pulumi.Input<string>;
  readonly trigger: JobTrigger;
  readonly compute: JobCompute;
  /** Run the export notebook after the apply notebook, into such a database. Default: there is no export. */
  readonly exportsTo?: ExportKind | undefined;
  /** Tries after a failed one, per task. */
  readonly maxRetries: number;
  /** A run is stopped after so long. */
  readonly timeoutSeconds: number;
  /** Application id of the service principal the job runs as. */
  readonly principal: pulumi.Input<string>;
  /** Group that may run and stop the job. */
  readonly operators: string;
  /** Addresses told when a run fails. Default: none. */
  readonly alertOnFailure?: readonly string[];
}

/** The export notebook's driver for each kind of database; pinned, because it is not part of a release's hash. */
export const EXPORT_DEPENDENCIES: Readonly<Record<ExportKind, string>> = {
  postgresql: "psycopg[binary]==3.3.9",
  // Pure Python: a notebook on serverless compute reaches no JVM, and so no JDBC.
  mysql: "PyMySQL==1.2.4",
  mariadb: "PyMySQL==1.2.4",
  // Brings FreeTDS and OpenSSL along: Microsoft's own driver needs system libraries that nobody can install there.
  sqlserver: "pymssql==2.4.6",
};
/** Serverless environment version 4: Python 3.12, Databricks Connect 17. */
const ENVIRONMENT_VERSION = "4";
const COMPUTE_KEY = "headwater";

/**
 * The one job of a stack: files to history, then history to the target database. A stack has one, because a
 * workspace limits how many jobs may watch for files. Runs wait for each other: the ledger of files has one writer.
 */
export class IngestionJob extends pulumi.ComponentResource {
  readonly jobId: pulumi.Output<string>;
  readonly jobName: pulumi.Output<string>;

  constructor(name: string, args: IngestionJobArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:IngestionJob", name, {}, opts);

    const job = new databricks.Job(
      name,
      {
        name: physicalName("job", args.stack),
        description: "Turns the files DMS writes into history",
        maxConcurrentRuns: 1,
        // Without it a run that arrives while another is going is skipped, and its files wait for the next ones.
        queue: { enabled: true },
        timeoutSeconds: args.timeoutSeconds,
        runAs: { servicePrincipalName: args.principal },
        parameters: [
          { name: "tables", default: "" },
          { name: "fold", default: "auto" },
        ],
        tasks: [
          this.task("apply", args),
          ...(args.exportsTo !== undefined ? [this.task("export", args, "apply")] : []),
        ],
        ...computeOf(args),
        ...triggerOf(args.trigger, args.incomingUrl),
        ...(args.alertOnFailure === undefined
          ? {}
          : { emailNotifications: { onFailures: [...args.alertOnFailure] } }),
      },
      { parent: this },
    );
    new databricks.Permissions(
      name,
      {
        jobId: job.id,
        accessControls: [{ groupName: args.operators, permissionLevel: "CAN_MANAGE_RUN" }],
      },
      { parent: this },
    );
    this.jobId = job.id;
    this.jobName = job.name;
    this.registerOutputs({ jobId: this.jobId, jobName: this.jobName });
  }

  private task(
    notebook: "apply" | "export",
    args: IngestionJobArgs,
    after?: string,
  ): databricks.types.input.JobTask {
    const { compute, exportsTo } = args;
    return {
      taskKey: notebook,
      ...(after === undefined ? {} : { dependsOns: [{ taskKey: after }] }),
      notebookTask: {
        notebookPath: pulumi.interpolate`${args.notebooksPath}/${notebook}`,
        source: "WORKSPACE",
      },
      maxRetries: args.maxRetries,
      minRetryIntervalMillis: 60_000,
      retryOnTimeout: false,
      ...(compute.kind === "serverless" ? { environmentKey: COMPUTE_KEY } : { jobClusterKey: COMPUTE_KEY }),
      ...(compute.kind === "jobCluster" && notebook === "export" && exportsTo !== undefined
        ? { libraries: [{ pypi: { package: EXPORT_DEPENDENCIES[exportsTo] } }] }
        : {}),
    };
  }
}

function computeOf({
  compute,
  exportsTo,
}: IngestionJobArgs): Pick<databricks.JobArgs, "environments" | "jobClusters"> {
  switch (compute.kind) {
    case "serverless":
      return {
        environments: [
          {
            environmentKey: COMPUTE_KEY,
            spec: {
              environmentVersion: ENVIRONMENT_VERSION,
              ...(exportsTo === undefined ? {} : { dependencies: [EXPORT_DEPENDENCIES[exportsTo]] }),
            },
          },
        ],
      };
    case "jobCluster":
      return {
        jobClusters: [
          {
            jobClusterKey: COMPUTE_KEY,
            newCluster: {
              sparkVersion: compute.sparkVersion,
              nodeTypeId: compute.nodeTypeId,
              numWorkers: compute.workers,
              // Volumes need an access mode that knows Unity Catalog; the user is the job's principal.
              dataSecurityMode: "SINGLE_USER",
            },
          },
        ],
      };
  }
}

function triggerOf(
  trigger: JobTrigger,
  incomingUrl: pulumi.Input<string>,
): Pick<databricks.JobArgs, "trigger" | "schedule"> {
  switch (trigger.on) {
    case "fileArrival": {
      const { minTimeBetweenTriggersSeconds, waitAfterLastChangeSeconds } = trigger;
      return {
        trigger: {
          pauseStatus: "UNPAUSED",
          fileArrival: {
            url: incomingUrl,
            minTimeBetweenTriggersSeconds,
            ...(waitAfterLastChangeSeconds === undefined ? {} : { waitAfterLastChangeSeconds }),
          },
        },
      };
    }
    case "schedule":
      return {
        schedule: {
          quartzCronExpression: trigger.cron,
          timezoneId: trigger.timezone,
          pauseStatus: "UNPAUSED",
        },
      };
    case "manual":
      return {};
  }
}
