import { HeadwaterError } from "./errors.js";
import { targetNames } from "./naming.js";
import type { Pipeline, PipelineTable } from "./pipeline.js";

/** What DMS writes: its S3 endpoint's bucketFolder. The file-arrival trigger watches this root and nothing else. */
export const INCOMING = "incoming";
/** Where the job moves finished files. Disjoint from {@link INCOMING}: a moved file must never fire the trigger. */
export const PROCESSED = "processed";
/**
 * In a table's incoming folder: the table was loaded again, completely (src/operations/reload.ts). The underscore keeps it
 * out of what Spark and Headwater list as files of rows.
 */
export const RELOAD_MARKER = "_headwater_reload.json";
/** Managed storage of a catalog made by the stack; neither watched nor shown by a volume. */
export const MANAGED = "managed";

/** The folders of one table, as DMS lays them out: `[bucketFolder/]schema/table/` (DMS guide, CHAP_Target.S3). */
export function folders({ source: { schema, table } }: PipelineTable): {
  incoming: string;
  processed: string;
} {
  return { incoming: `${INCOMING}/${schema}/${table}/`, processed: `${PROCESSED}/${schema}/${table}/` };
}

/** `s3://bucket/` or `s3://bucket/folder/`; always ends in a slash, so that a prefix never matches half a name. */
export function s3Url(bucket: string, folder = ""): string {
  const trimmed = folder.replace(/^\/+|\/+$/g, "");
  return trimmed === "" ? `s3://${bucket}/` : `s3://${bucket}/${trimmed}/`;
}

/** `/Volumes/<catalog>/<schema>/<volume>`, as notebooks see a volume. */
export function volumePath(catalog: string, schema: string, volume: string): string {
  return `/Volumes/${catalog}/${schema}/${volume}`;
}

/** Where one table lives in Unity Catalog; no bucket needed, so all of it is known before anything is made. */
export interface TableLayout {
  readonly source: PipelineTable["source"];
  readonly name: string;
  readonly keys: readonly string[];
  readonly rule: PipelineTable["rule"];
  readonly folders: { readonly incoming: string; readonly processed: string };
  readonly volumes: { readonly incoming: string; readonly processed: string };
  /** Paths of the volumes, as the notebooks open them. */
  readonly paths: { readonly incoming: string; readonly processed: string };
  /** `catalog.schema.table` of the history. */
  readonly history: string;
}

/** Lays out every table of a pipeline and refuses folders that meet. */
export function layOut(
  pipeline: Pipeline,
  target: { catalog: string; schema: string },
): readonly TableLayout[] {
  const tables = pipeline.tables.map((table) => {
    const names = targetNames(table.name);
    return {
      source: table.source,
      name: table.name,
      keys: table.keys,
      rule: table.rule,
      folders: folders(table),
      volumes: { incoming: names.incomingVolume, processed: names.processedVolume },
      paths: {
        incoming: volumePath(target.catalog, target.schema, names.incomingVolume),
        processed: volumePath(target.catalog, target.schema, names.processedVolume),
      },
      history: `${target.catalog}.${target.schema}.${names.history}`,
    };
  });
  refuseOverlaps(
    `pipeline ${pipeline.name}`,
    tables.flatMap(({ source, folders }) => [
      { owner: `${source.schema}.${source.table} (incoming)`, path: folders.incoming },
      { owner: `${source.schema}.${source.table} (processed)`, path: folders.processed },
    ]),
  );
  return tables;
}

/** A path and whose it is, for {@link refuseOverlaps}. Relative paths are compared with relative ones only. */
export interface OwnedPath {
  readonly owner: string;
  readonly path: string;
}

/**
 * Throws when one path is, or lies inside, another: two tables in one folder would mix their files, and Unity
 * Catalog refuses external volumes that overlap (volumes/paths, storage-conflicts).
 */
export function refuseOverlaps(where: string, paths: readonly OwnedPath[]): void {
  // Sorted with the slash last, a path's first possible inner path stands right behind it.
  const sorted = paths
    .map(({ owner, path }) => ({ owner, path: path.endsWith("/") ? path : `${path}/` }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  sorted.forEach((inner, index) => {
    const outer = sorted[index - 1];
    if (outer !== undefined && inner.path.startsWith(outer.path)) {
      throw new HeadwaterError("layout/overlap", "two paths overlap", {
        where,
        field: inner.owner,
        found: `${inner.path} and ${outer.path} of ${outer.owner}`,
        allowed: "folders of which none is, or lies inside, another",
        remedy: "Give one of them another place, or leave one table out.",
      });
    }
  });
}
