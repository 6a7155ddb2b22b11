import { fromApi, snake, toApi } from "../api.js";
import {
  flag,
  list,
  map,
  number,
  object,
  set,
  text,
  type Field,
  type Fields,
  type Values,
} from "../fields.js";
import type { ResourceType } from "../resource.js";
import type { Databricks } from "./client.js";

// Jobs API 2.2, as the provider calls it for jobs with tasks. Names that Pulumi puts into the plural are given as
// the API has them.
const required = { required: true };
const pauseStatus = text({ default: "UNPAUSED" });

const emailFields: Fields = {
  noAlertForSkippedRuns: flag(),
  onDurationWarningThresholdExceededs: list(text(), { api: "on_duration_warning_threshold_exceeded" }),
  onFailures: list(text(), { api: "on_failure" }),
  onStarts: list(text(), { api: "on_start" }),
  onSuccesses: list(text(), { api: "on_success" }),
};

const hook = (api: string): Field => list(object({ id: text(required) }), { api });
const webhookFields: Fields = {
  onDurationWarningThresholdExceededs: hook("on_duration_warning_threshold_exceeded"),
  onFailures: hook("on_failure"),
  onStarts: hook("on_start"),
  onSuccesses: hook("on_success"),
};

// An absent block is no wish to have none: the provider suppresses that diff.
const emailNotifications = object(emailFields, { computed: true });
const webhookNotifications = object(webhookFields, { computed: true });

const health = object({
  rules: set(object({ metric: text(required), op: text(required), value: number(required) }), required),
});

const cluster: Fields = {
  autoscale: object({ maxWorkers: number(), minWorkers: number() }),
  awsAttributes: object({
    availability: text(),
    ebsVolumeCount: number(),
    ebsVolumeSize: number(),
    ebsVolumeType: text(),
    firstOnDemand: number(),
    instanceProfileArn: text(),
    spotBidPricePercent: number(),
    zoneId: text(),
  }),
  customTags: map(),
  dataSecurityMode: text(),
  driverNodeTypeId: text({ computed: true }),
  enableElasticDisk: flag({ computed: true }),
  instancePoolId: text(),
  isSingleNode: flag(),
  kind: text(),
  nodeTypeId: text({ computed: true }),
  numWorkers: number({ default: 0 }),
  policyId: text(),
  runtimeEngine: text(),
  singleUserName: text(),
  sparkConf: map(),
  sparkEnvVars: map(),
  sparkVersion: text(),
};

const library = object({
  jar: text(),
  maven: object({ coordinates: text(required), exclusions: list(text()), repo: text() }),
  pypi: object({ package: text(required), repo: text() }),
  requirements: text(),
  whl: text(),
});

const task = object({
  taskKey: text(required),
  conditionTask: object({ left: text(required), op: text(required), right: text(required) }),
  dependsOns: set(object({ taskKey: text(required), outcome: text() }), { api: "depends_on" }),
  description: text(),
  disableAutoOptimization: flag(),
  disabled: flag(),
  emailNotifications,
  environmentKey: text(),
  existingClusterId: text(),
  health,
  jobClusterKey: text(),
  libraries: set(library),
  maxRetries: number(),
  minRetryIntervalMillis: number(),
  newCluster: object(cluster),
  notebookTask: object({
    notebookPath: text(required),
    baseParameters: map(),
    source: text({ computed: true }),
    warehouseId: text(),
  }),
  notificationSettings: object({
    alertOnLastAttempt: flag(),
    noAlertForCanceledRuns: flag(),
    noAlertForSkippedRuns: flag(),
  }),
  retryOnTimeout: flag({ computed: true }),
  runIf: text({ default: "ALL_SUCCESS" }),
  runJobTask: object({ jobId: number(required), jobParameters: map() }),
  sparkPythonTask: object({
    pythonFile: text(required),
    parameters: list(text()),
    source: text({ computed: true }),
  }),
  timeoutSeconds: number({ default: 0 }),
  webhookNotifications,
});

const settings: Fields = {
  continuous: object({ pauseStatus, taskRetryMode: text() }),
  description: text(),
  editMode: text({ computed: true }),
  emailNotifications,
  environments: list(
    object({
      environmentKey: text(required),
      spec: object({
        baseEnvironment: text(),
        client: text({ computed: true }),
        dependencies: list(text()),
        environmentVersion: text({ computed: true }),
      }),
    }),
  ),
  format: text({ computed: true }),
  health,
  jobClusters: list(object({ jobClusterKey: text(required), newCluster: object(cluster, required) })),
  maxConcurrentRuns: number({ default: 1 }),
  name: text({ computed: true }),
  notificationSettings: object({ noAlertForCanceledRuns: flag(), noAlertForSkippedRuns: flag() }),
  parameters: list(object({ name: text(required), default: text(required) })),
  performanceTarget: text({ computed: true }),
  queue: object({ enabled: flag({ default: undefined, required: true }) }, { computed: true }),
  runAs: object({ servicePrincipalName: text(), userName: text() }, { computed: true }),
  schedule: object({ pauseStatus, quartzCronExpression: text(required), timezoneId: text(required) }),
  tags: map(),
  tasks: set(task), // the API returns them sorted by key

  timeoutSeconds: number({ default: 0 }),
  trigger: object({
    fileArrival: object({
      url: text(required),
      minTimeBetweenTriggersSeconds: number(),
      waitAfterLastChangeSeconds: number(),
    }),
    pauseStatus,
    periodic: object({ interval: number(required), unit: text(required) }),
    tableUpdate: object({
      tableNames: list(text(), required),
      condition: text(),
      minTimeBetweenTriggersSeconds: number(),
      waitAfterLastChangeSeconds: number(),
    }),
  }),
  webhookNotifications,
};

const api = "/api/2.2/jobs";

export const job: ResourceType<Databricks> = {
  token: "databricks:index/job:Job",
  source: "terraform-provider-databricks jobs/resource_job.go (multi-task jobs: nothing replaces)",
  inputs: settings,
  outputs: { url: {} },
  refused: [
    ...[
      "alwaysRunning",
      "budgetPolicyId",
      "controlRunState",
      "dbtTask",
      "deployment",
      "existingClusterId",
      "gitSource",
    ],
    ...[
      "libraries",
      "maxRetries",
      "minRetryIntervalMillis",
      "newCluster",
      "notebookTask",
      "parentPath",
      "pipelineTask",
    ],
    ...[
      "providerConfig",
      "pythonWheelTask",
      "retryOnTimeout",
      "runJobTask",
      "sparkJarTask",
      "sparkPythonTask",
    ],
    ...["sparkSubmitTask", "triggers", "usagePolicyId"],
  ],
  autoname: { property: "name", maxLength: 255 },
  async create({ client, inputs }) {
    const made = await client.post(`${api}/create`, request(inputs));
    return String(made["job_id"]);
  },
  async read({ client, id }) {
    const live = await client.get(`${api}/get`, { job_id: id });
    const found = fromApi(settings, live["settings"] as Values, snake);
    return { ...found, runAs: runAs(live), url: `${client.host}/#job/${id}` };
  },
  async update({ client, id, inputs }) {
    await client.post(`${api}/reset`, { job_id: Number(id), new_settings: request(inputs) });
  },
  async delete({ client, id }) {
    await client.post(`${api}/delete`, { job_id: Number(id) });
  },
};

function request(inputs: Values): Values {
  const defaults = { max_concurrent_runs: 1, format: "MULTI_TASK" };
  return { ...defaults, ...toApi(settings, inputs, snake) };
}

/** Who it runs as is told beside the settings, by name only: a service principal's is a UUID. */
function runAs(live: Values): Values | undefined {
  const own = (live["settings"] as Values)["run_as"];
  if (own !== undefined && own !== null)
    return fromApi((settings["runAs"] as Field).fields!, own as Values, snake);
  const name = live["run_as_user_name"];
  if (typeof name !== "string" || name === "") return undefined;
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(name)
    ? { servicePrincipalName: name }
    : { userName: name };
}
