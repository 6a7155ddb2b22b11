import { expect } from "chai";
import { differingResources, differingSettings } from "../../../src/driver/difference.js";
import { notebookDrift } from "../../../src/driver/notebook-drift.js";
import { WorkspaceClient } from "../../../src/operations/workspace-client.js";
import { errorOf } from "../operations/errors.js";
import { FakeServer } from "../operations/fake-server.js";

describe("two environments side by side", () => {
  it("differ leaf by leaf, also where one lacks a setting or a list is longer", () => {
    const one = {
      "aws:region": "eu-west-1",
      "headwater:settings": { size: { min: 1, max: 2 }, ids: ["a"], same: {} },
    };
    const other = {
      "aws:region": "eu-west-1",
      "headwater:settings": { size: { min: 1, max: 8 }, ids: ["a", "b"], same: {} },
    };
    expect(differingSettings(one, other)).to.deep.equal([
      { field: "headwater:settings.ids[1]", one: undefined, other: "b" },
      { field: "headwater:settings.size.max", one: 2, other: 8 },
    ]);
  });

  it("differ in how many resources of a type they have", () => {
    expect(differingResources({ bucket: 1, job: 2 }, { bucket: 1, job: 1, table: 3 })).to.deep.equal([
      { type: "job", one: 2, other: 1 },
      { type: "table", one: 0, other: 3 },
    ]);
  });
});

describe("notebooks in the workspace", () => {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  let server: FakeServer;
  const workspace: Record<string, string> = {};
  before(async () => {
    server = await FakeServer.start(({ url }) => {
      const query = new URL(url, "http://x").searchParams;
      const content = workspace[`${query.get("format")} ${query.get("path")}`];
      if (content === "denied")
        return { status: 403, json: { error_code: "PERMISSION_DENIED", message: "no" } };
      if (content === undefined) return { status: 404, json: { error_code: "RESOURCE_DOES_NOT_EXIST" } };
      return { json: { content: base64(content) } };
    });
  });
  after(() => server.stop());
  const client = () => new WorkspaceClient({ host: server.url, token: "t" });
  const notebook = (path: string, content: string) => ({
    ...{ urn: `urn:${path}`, type: "databricks:index/notebook:Notebook", path },
    contentBase64: base64(content),
  });

  it("are compared by their content: edited ones and those that are gone are drift", async () => {
    workspace["SOURCE /a"] = "# Databricks notebook source\nx = 1"; // the last line end is Databricks' affair
    workspace["SOURCE /b"] = "x = 2\n";
    workspace["AUTO /lib/c.py"] = "y = 1\n";
    const files = [
      notebook("/a", "# Databricks notebook source\nx = 1\n"),
      notebook("/b", "x = 1\n"),
      notebook("/gone", "x = 1\n"),
      { ...notebook("/lib/c.py", "y = 1\n"), type: "databricks:index/workspaceFile:WorkspaceFile" },
    ];
    const found = await notebookDrift(files, client());
    expect(found.map(({ name, op, changedKeys }) => [name, op, ...changedKeys])).to.deep.equal([
      ["/b", "update", "content"],
      ["/gone", "delete"],
    ]);
  });

  it("that may not be read are an error, not drift", async () => {
    workspace["SOURCE /secret"] = "denied";
    const error = await errorOf(notebookDrift([notebook("/secret", "x")], client()));
    expect(error.message).to.contain("PERMISSION_DENIED");
  });
});
