import * as databricks from "@pulumi/databricks";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { HeadwaterError } from "../model/errors.js";
import type { PipelineConfig } from "../model/pipeline-config.js";

/** One file of the notebooks' folder. */
export interface NotebookFile {
  /** Path below the folder, with `/`: `apply.py`, `headwater_history/scd2.py`. */
  readonly path: string;
  readonly content: Buffer;
}

/** First line of a notebook in Databricks' source format; every other file is a module. */
const NOTEBOOK_HEADER = "# Databricks notebook source";

/** Reads every Python file below a folder, in a stable order. */
export function readNotebooks(folder: string): NotebookFile[] {
  const files = existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".py"))
        .map((entry) => join(entry.parentPath, entry.name))
    : [];
  if (files.length === 0) {
    throw new HeadwaterError("notebooks/none", "there are no notebooks", {
      where: folder,
      found: existsSync(folder) ? "a folder without Python files" : "no such folder",
      remedy: "Point at the folder notebooks/ of the package.",
    });
  }
  return files
    .map((file) => ({ path: relative(folder, file).split(sep).join("/"), content: readFileSync(file) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The notebooks that come with the package: the nearest `notebooks/` above this file, compiled or not. */
export function bundledNotebooks(): NotebookFile[] {
  let folder = dirname(fileURLToPath(import.meta.url));
  const library = join("notebooks", "headwater_history");
  while (!existsSync(join(folder, library)) && dirname(folder) !== folder) folder = dirname(folder);
  return readNotebooks(join(folder, "notebooks"));
}

export interface NotebooksArgs {
  /** `<pipeline>-<environment>`; the folder below `root`. */
  readonly stack: string;
  /** Workspace folder all stacks share, for example `/Shared/headwater`. */
  readonly root: string;
  readonly files: readonly NotebookFile[];
  /** Becomes pipeline.json beside the notebooks. */
  readonly config: PipelineConfig;
}

/**
 * Notebooks, their library and pipeline.json, below `<root>/<stack>/<content hash>/`. The hash is in the path because
 * Databricks lets people edit a notebook in place and no update would notice: a new release is a new folder, made
 * before the job is pointed at it and the old one goes. Contents travel in the state, not as paths of local files,
 * so that a preview shows the same on every machine.
 */
export class Notebooks extends pulumi.ComponentResource {
  /** `<root>/<stack>/<content hash>`; known before anything is made. */
  readonly path: string;
  /** {@link path}, once all files are there. */
  readonly ready: pulumi.Output<string>;

  constructor(name: string, args: NotebooksArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:Notebooks", name, {}, opts);
    const files = [
      ...args.files,
      { path: "pipeline.json", content: Buffer.from(`${JSON.stringify(args.config, null, 2)}\n`) },
    ];
    const stackFolder = `${args.root}/${args.stack}`;
    this.path = `${stackFolder}/${contentHash(files)}`;

    // Recursive, because running a notebook may leave files of its own (__pycache__) behind.
    const root = new databricks.Directory(
      name,
      { path: stackFolder, deleteRecursive: true },
      { parent: this },
    );
    const folder = new databricks.Directory(
      `${name}-release`,
      { path: this.path, deleteRecursive: true },
      { parent: this, dependsOn: root },
    );
    const folders = new Map([["", folder]]);
    const folderOf = (path: string): databricks.Directory => {
      const inner = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
      let found = folders.get(inner);
      if (found === undefined) {
        found = new databricks.Directory(
          `${name}-release-${inner}`,
          { path: `${this.path}/${inner}`, deleteRecursive: true },
          { parent: this, dependsOn: folderOf(inner) },
        );
        folders.set(inner, found);
      }
      return found;
    };
    const uploads = files.map(({ path, content }) => {
      const target = { path: `${this.path}/${path}`, contentBase64: content.toString("base64") };
      const options = { parent: this, dependsOn: folderOf(path) };
      return content.toString("utf8").startsWith(NOTEBOOK_HEADER)
        ? // Databricks drops the extension of a notebook in source format.
          new databricks.Notebook(
            `${name}-${path}`,
            { ...target, path: target.path.replace(/\.py$/, ""), language: "PYTHON" },
            options,
          )
        : new databricks.WorkspaceFile(`${name}-${path}`, target, options);
    });
    this.ready = pulumi.all(uploads.map(({ id }) => id)).apply(() => this.path);
    this.registerOutputs({ path: this.path });
  }
}

/** Sixteen hex digits over names and contents. */
export function contentHash(files: readonly NotebookFile[]): string {
  const hash = createHash("sha256");
  for (const { path, content } of files) hash.update(`${path}\0${content.length}\0`).update(content);
  return hash.digest("hex").slice(0, 16);
}
