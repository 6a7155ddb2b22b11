import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { ensurePython } from "../../src/engine/python.js";
import { startMoto as start } from "../../src/sandbox/moto.js";

export interface MotoFixture {
  /** `http://127.0.0.1:<port>`, for every AWS service. */
  readonly endpoint: string;
  stop(): Promise<void>;
}

// On import, where no test's time limit runs: it takes minutes the first time on a machine.
const python =
  process.env["HEADWATER_TEST_PYTHON"] ??
  (await ensurePython({ progress: (line) => console.log(`      ${line}`), dev: true })).python;

/** The Python that has the sandbox's packages and those of the tests; HEADWATER_TEST_PYTHON names another. */
export function testPython(): string {
  return python;
}

/** The sandbox's moto on a free port. Ends with this process, however that ends. */
export async function startMoto(): Promise<MotoFixture> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "headwater-test-moto-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  const moto = await start({ python, folder, progress: () => undefined }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  return {
    endpoint: moto.endpoint,
    async stop() {
      await moto.stop();
      await remove();
    },
  };
}
