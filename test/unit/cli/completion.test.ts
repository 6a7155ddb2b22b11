import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";
import { headwater } from "./command.js";

describe("headwater completion", function () {
  this.timeout(60_000);
  let script: string;
  before(async () => ({ stdout: script } = await headwater(["completion", "bash"])));

  /** What bash offers for a line whose last word is being typed. */
  async function offered(...line: string[]): Promise<string[]> {
    const words = ["headwater", ...line].map((word) => `'${word}'`).join(" ");
    const { stdout } = await promisify(execFile)("bash", [
      ...["--norc", "-c"],
      `set -u\n${script}\ncomplete -p headwater >/dev/null || exit 1
COMP_WORDS=(${words}); COMP_CWORD=${line.length}; _headwater; printf '%s\\n' "\${COMPREPLY[@]:-}"`,
    ]);
    return stdout.split("\n").filter((word) => word !== "");
  }

  it("completes commands, and commands of commands", async () => {
    expect(await offered("pro")).to.deep.equal(["promote"]);
    expect(await offered("")).to.include.members(["up", "status", "init", "completion"]);
    expect(await offered("sandbox", "")).to.deep.equal(["status", "clean"]);
    expect(await offered("completion", "")).to.deep.equal(["bash", "zsh"]);
  });

  it("completes the options of the command that was typed, and of the whole", async () => {
    expect(await offered("promote", "--thr")).to.deep.equal(["--through"]);
    expect(await offered("status", "--thr")).to.deep.equal([]);
    expect(await offered("up", "--no-")).to.deep.equal(["--no-color", "--no-checks"]);
    expect(await offered("sandbox", "status", "--pro")).to.deep.equal(["--project"]);
  });

  it("knows an option's value from a command", async () => {
    expect(await offered("--project", "promote", "stat")).to.deep.equal(["status"]);
    expect(await offered("init", "--engine", "")).to.deep.equal(["postgresql"]);
    expect(await offered("up", "--settings", ""), "files are bash's own").to.deep.equal([]);
  });

  it("has the same for zsh", async () => {
    const { code, stdout } = await headwater(["completion", "zsh"]);
    expect(code).to.equal(0);
    expect(stdout)
      .to.match(/^#compdef headwater\n/)
      .and.contain('"headwater promote") at="headwater promote" ;;');
    expect((await headwater(["completion", "fish"])).code).to.equal(2);
  });
});
