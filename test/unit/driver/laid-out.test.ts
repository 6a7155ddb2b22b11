import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { LaidOut } from "../../../src/driver/laid-out.js";
import { self } from "../../../src/engine/processes.js";

describe("releases laid out to be run", () => {
  let work: string;
  let folder: string;
  const files = { "code/a.js": Buffer.from("a").toString("base64") };
  beforeEach(async () => {
    work = await mkdtemp(path.join(os.tmpdir(), "headwater-laid-out-"));
    folder = path.join(work, "releases");
    await mkdir(path.join(work, "node_modules"));
  });
  afterEach(() => rm(work, { recursive: true, force: true }));

  const visible = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name !== ".users");

  it("stay as long as one uses them, and go with the last", async () => {
    const [one, other] = [new LaidOut(folder, work), new LaidOut(folder, work)];
    const [at, again] = await Promise.all([one.layOut("r1", files), other.layOut("r1", files)]);
    expect(at).to.equal(again);
    expect(await readFile(path.join(at, "code", "a.js"), "utf8")).to.equal("a");
    await other.layOut("r2", files);
    expect(await visible()).to.have.members(["r1", "r2"]);
    await other.close();
    expect(await visible()).to.deep.equal(["r1"]);
    await one.close();
    expect(await visible()).to.deep.equal([]);
    await one.close();
  });

  it("of a process that was killed go with the next that is laid out, and so does what it had not finished", async () => {
    await new LaidOut(folder, work).layOut("r1", files);
    const [mark = ""] = await readdir(path.join(folder, ".users"));
    const dead = { process: { ...self(), started: "before the flood" }, uses: ["r1"] };
    await writeFile(path.join(folder, ".users", mark), JSON.stringify(dead));
    await mkdir(path.join(folder, ".draft-r9", "code"), { recursive: true });
    const next = new LaidOut(folder, work);
    await next.layOut("r2", files);
    expect(await visible()).to.deep.equal(["r2"]);
    expect(await readdir(path.join(folder, ".users"))).to.have.length(1);
    await next.close();
  });

  it("that somebody has edited are laid out again", async () => {
    const one = new LaidOut(folder, work);
    const at = await one.layOut("r1", files);
    await writeFile(path.join(at, "code", "a.js"), "edited");
    await one.layOut("r1", files);
    expect(await readFile(path.join(at, "code", "a.js"), "utf8")).to.equal("a");
    await one.close();
  });
});
