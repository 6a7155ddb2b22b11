import * as databricks from "@pulumi/databricks";
import * as pulumi from "@pulumi/pulumi";
import { MANAGED, s3Url, type TableLayout } from "../model/layout.js";

export interface LakehouseSchemaArgs {
  /** The catalog to make, or one that exists. A change of name replaces all that is in it. */
  readonly catalog: { readonly provision: "create" | "existing"; readonly name: string };
  /** The schema to make in it. */
  readonly schema: string;
  readonly tables: readonly TableLayout[];
  /** Name of the bucket the volumes show. */
  readonly bucket: pulumi.Input<string>;
  /** Name of the external location that covers the bucket. */
  readonly externalLocation: pulumi.Input<string>;
  /** Group that may read the history. */
  readonly readers: string;
  /** Group that may read the history and the files. */
  readonly operators: string;
  /** Application id of the job's service principal. */
  readonly principal: pulumi.Input<string>;
  /** Destroying the schema drops the tables in it. Default: false, so that a schema with tables stays. */
  readonly forceDestroy?: boolean;
}

/**
 * Catalog, schema, and for each table the two external volumes of the paper: `<table>_incoming` shows exactly the
 * folder DMS writes for it, `<table>_processed` where its finished files go. Rights are granted one principal at a
 * time, so that rights others have given stay.
 */
export class LakehouseSchema extends pulumi.ComponentResource {
  readonly catalog: pulumi.Output<string>;
  readonly schema: pulumi.Output<string>;

  constructor(name: string, args: LakehouseSchemaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:LakehouseSchema", name, {}, opts);
    const parent = { parent: this };
    const { forceDestroy = false } = args;

    this.catalog = this.makeCatalog(name, args);
    const schema = new databricks.Schema(
      name,
      { catalogName: this.catalog, name: args.schema, comment: "History of source tables", forceDestroy },
      parent,
    );
    this.schema = schema.name;

    for (const table of args.tables) {
      for (const kind of ["incoming", "processed"] as const) {
        new databricks.Volume(
          `${name}-${table.volumes[kind]}`,
          {
            catalogName: this.catalog,
            schemaName: schema.name,
            name: table.volumes[kind],
            volumeType: "EXTERNAL",
            comment: `Files of ${table.source.schema}.${table.source.table}: ${kind}`,
            // The location's name is awaited, not used: a volume is refused outside every external location.
            storageLocation: pulumi
              .all([args.bucket, args.externalLocation])
              .apply(([bucket]) => s3Url(bucket, table.folders[kind])),
          },
          parent,
        );
      }
    }
    this.grantRights(name, args);
    this.registerOutputs({ catalog: this.catalog, schema: this.schema });
  }

  private makeCatalog(name: string, args: LakehouseSchemaArgs): pulumi.Output<string> {
    if (args.catalog.provision === "existing") return pulumi.output(args.catalog.name);
    const catalog = new databricks.Catalog(
      name,
      {
        name: args.catalog.name,
        comment: "Made by Headwater",
        // Metastores often have no storage of their own; the stack's bucket is covered by its external location.
        storageRoot: pulumi
          .all([args.bucket, args.externalLocation])
          .apply(([bucket]) => s3Url(bucket, MANAGED)),
        forceDestroy: args.forceDestroy ?? false,
      },
      { parent: this },
    );
    return catalog.name;
  }

  private grantRights(name: string, args: LakehouseSchemaArgs): void {
    const schema = pulumi.interpolate`${this.catalog}.${this.schema}`;
    const principals = {
      readers: { principal: args.readers, privileges: ["USE_SCHEMA", "SELECT"] },
      operators: { principal: args.operators, privileges: ["USE_SCHEMA", "SELECT", "READ_VOLUME"] },
      job: {
        principal: args.principal,
        privileges: ["USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY", "READ_VOLUME", "WRITE_VOLUME"],
      },
    };
    for (const [who, { principal, privileges }] of Object.entries(principals)) {
      // A group's right to use a catalog that exists is its owner's to give: stacks would take it from each other.
      if (args.catalog.provision === "create" || who === "job") {
        new databricks.Grant(
          `${name}-catalog-${who}`,
          { catalog: this.catalog, principal, privileges: ["USE_CATALOG"] },
          { parent: this },
        );
      }
      new databricks.Grant(`${name}-${who}`, { schema, principal, privileges }, { parent: this });
    }
    // Databricks lets a job watch a path only if its principal may read the location.
    new databricks.Grant(
      `${name}-location-job`,
      { externalLocation: args.externalLocation, principal: args.principal, privileges: ["READ_FILES"] },
      { parent: this },
    );
  }
}
