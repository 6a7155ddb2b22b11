import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import { ensurePython } from "../../../src/engine/python.js";
import { requireSpace } from "../../../src/engine/space.js";
import { Machine, rejection } from "./machine.js";

const JAVA = 'case "$*" in *no-such*) exit 1;; *) echo \'openjdk version "17.0.15" 2025-04-15\' >&2;; esac';

// Makes an "environment" whose python notes what it is asked to do.
const PYTHON = (version: string) => `
case "$*" in
  --version) echo "Python ${version}";;
  *"import venv"*) exit 0;;
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
  *"import pip"*) exit 0;;
  *"pip install"*) echo "$0 $*" >> "$HOME/pip.log"; [ -e "$HOME/pip-fails" ] && { echo "No matching distribution found for minilake" >&2; exit 1; }; echo "  Downloading https://x/pyspark-4.1.4.tar.gz (434.0 MB)";;
  *headwater_workspace.jars*) echo "$*" >> "$HOME/jars.log"; echo "fetching 3 jars" >&2; mkdir "$3";;
esac
exit 0`;

describe("engine/python", function () {
  this.timeout(60_000);
  let machine: Machine;
  let sources: string;
  let told: string[];

  beforeEach(async () => {
    machine = await Machine.make();
    told = [];
    sources = path.join(machine.folder, "sources");
    await mkdir(path.join(sources, "headwater_workspace/jvm"), { recursive: true });
    await writeFile(path.join(sources, "requirements.txt"), "pyspark==4.1.4\n");
    await writeFile(path.join(sources, "requirements-dev.txt"), "pytest\n");
    for (const name of ["jars.py", "jars.lock"])
      await writeFile(path.join(sources, "headwater_workspace", name), name);
    await machine.real("mkdir", "cp", "cat");
  });
  afterEach(async () => machine.remove());

  const ensure = (more: NodeJS.ProcessEnv = {}, dev = false) =>
    ensurePython({
      progress: (line) => told.push(line),
      environment: machine.environment(more),
      ...{ sources, dev, jvms: path.join(machine.folder, "jvm") },
    });
  const logged = async (name: string): Promise<number> => {
    return (await readFile(path.join(machine.folder, name), "utf8")).trim().split("\n").length;
  };

  it("says so when there is no Java, before anything long begins", async () => {
    await machine.script("python3", PYTHON("3.11.7"));
    const error = await rejection(ensure({ JAVA_HOME: "/nowhere" }));
    expect(error).to.have.property("code", "engine/no-java");
    expect(error.message).to.equal(
      [
        "Spark needs Java 17 or 21, and there is none",
        "  found: JAVA_HOME is /nowhere, which has no bin/java; java is not on PATH",
        "  remedy: install it (on Debian and Ubuntu: apt install openjdk-17-jre-headless, or openjdk-21-jre-headless), or set " +
          "JAVA_HOME to its folder",
      ].join("\n"),
    );
    expect(existsSync(path.join(machine.folder, "pip.log"))).to.equal(false);
  });

  it("passes over a Java of another version or without the vector module, and finds one that is installed but not on PATH", async () => {
    await machine.script("python3", PYTHON("3.11.7"));
    const old = await machine.script("java", "echo 'openjdk version \"11.0.2\"' >&2");
    const cut = path.join(machine.folder, "jvm/cut-17");
    await machine.script(
      "java",
      'case "$*" in *--add-modules*) exit 1;; *) echo \'openjdk version "17.0.1"\' >&2;; esac',
      path.join(cut, "bin"),
    );
    const { message } = await rejection(ensure());
    expect(message).to.contain(
      `${old} is Java 11.0.2; ${cut}/bin/java (Java 17.0.1) lacks the module jdk.incubator.vector`,
    );
    const good = path.join(machine.folder, "jvm/java-21-openjdk");
    await machine.script("java", "echo 'openjdk version \"21.0.7\"' >&2", path.join(good, "bin"));
    expect((await ensure()).javaHome).to.equal(good);
  });

  it("says so when there is no Python, an old one, or one without venv (with the package's name)", async () => {
    await machine.script("java", JAVA);
    expect((await rejection(ensure())).message).to.equal(
      [
        "the sandbox needs Python 3.11 or newer with venv, and there is none",
        "  found: python3 is not on PATH",
        "  remedy: install it (on Debian and Ubuntu: apt install python3 python3-venv), or set HEADWATER_PYTHON to its path",
      ].join("\n"),
    );
    const python = await machine.script("python3", "echo Python 3.9.2");
    expect((await rejection(ensure())).message).to.contain(`${python} is Python 3.9.2, not 3.11.0 or newer`);
    await machine.script("python3", 'case "$1" in --version) echo Python 3.12.3;; *) exit 1;; esac');
    const error = await rejection(ensure());
    expect(error).to.have.property("code", "engine/no-python");
    expect(error.message).to.contain(
      `${python} (Python 3.12.3) cannot make virtual environments: on Debian and Ubuntu, apt install python3.12-venv`,
    );
    const named = await rejection(ensure({ HEADWATER_PYTHON: "/nowhere/python" }));
    expect(named.message).to.contain("HEADWATER_PYTHON: /nowhere/python does not run (not found)");
  });

  it("takes the next Python when the first is too old", async () => {
    await machine.script("java", JAVA);
    await machine.script("python3", "echo Python 3.9.2");
    await machine.script("python3.12", PYTHON("3.12.1"));
    expect(existsSync((await ensure()).python)).to.equal(true);
  });

  it("sets up once, again when the requirements change, and adds the tests' packages to the same environment", async () => {
    await machine.script("java", JAVA);
    await machine.script("python3", PYTHON("3.11.7"));
    const first = await ensure();
    expect(told).to.include("  Downloading pyspark-4.1.4.tar.gz (434.0 MB)");
    expect(told).to.include("  fetching 3 jars");
    told = [];
    expect(await ensure()).to.deep.equal(first);
    expect(told).to.deep.equal([]);
    expect(await logged("pip.log")).to.equal(1);
    expect(await logged("jars.log")).to.equal(1);

    expect(await ensure({}, true)).to.deep.equal(first);
    expect(await ensure({}, true)).to.deep.equal(first);
    expect(await logged("pip.log")).to.equal(2);

    await writeFile(path.join(sources, "headwater_workspace/jvm/Catalog.scala"), "object Catalog");
    const recompiled = await ensure();
    expect(recompiled.python).to.equal(first.python);
    expect(recompiled.sparkJars).not.to.equal(first.sparkJars);

    await writeFile(path.join(sources, "requirements.txt"), "pyspark==4.1.5\n");
    expect((await ensure()).python).not.to.equal(first.python);
  });

  it("begins anew after a set-up that was interrupted or failed", async () => {
    await machine.script("java", JAVA);
    await machine.script("python3", PYTHON("3.11.7"));
    await writeFile(path.join(machine.folder, "pip-fails"), "");
    const error = await rejection(ensure());
    expect(error).to.have.property("code", "engine/pip-failed");
    expect(error.message).to.contain("No matching distribution found for minilake");
    expect(error.message).to.contain("point pip at a mirror (PIP_INDEX_URL, or pip config)");
    await rm(path.join(machine.folder, "pip-fails"));
    const { python } = await ensure();
    expect(told).to.include("an earlier set-up of Python was interrupted: beginning anew");
    expect(existsSync(python)).to.equal(true);
    expect((await readdir(path.join(machine.folder, "cache"))).sort()).to.deep.equal(["jars", "python"]);
  });

  it("makes one of concurrent first runs do the work", async () => {
    await machine.script("java", JAVA);
    await machine.script("python3", PYTHON("3.11.7"));
    const [first, ...others] = await Promise.all([ensure(), ensure(), ensure()]);
    for (const other of others) expect(other).to.deep.equal(first);
    expect(await logged("pip.log")).to.equal(1);
    expect(await logged("jars.log")).to.equal(1);
  });

  it("refuses to begin what the disk has no room for", async () => {
    await requireSpace(machine.folder, 1, "nothing much", "HEADWATER_CACHE");
    const wanted = path.join(machine.folder, "not/there/yet");
    const { message } = await rejection(
      requireSpace(wanted, 1e18, "the sandbox's Python environment", "HEADWATER_CACHE"),
    );
    expect(message).to.match(
      /not\/there\/yet: there is not enough space on the disk for the sandbox's Python environment\n {2}found: [\d.]+ GB free\n/,
    );
    expect(message).to.contain("allowed: at least 1000000000.0 GB");
    expect(message).to.contain("remedy: free some, or set HEADWATER_CACHE to a folder on another disk");
  });
});
