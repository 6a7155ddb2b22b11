import { ensureEngine } from "../src/engine/engine.js";
import { ensurePython } from "../src/engine/python.js";
import { ensureChromium } from "./support/chromium.js";
import { ensureMariaDb } from "./support/mariadb.js";

// Before any test, because the first time on a machine takes longer than a test may.
const progress = (line: string): void => console.log(line);
await ensureEngine({ progress });
const { python } = await ensurePython({ progress, dev: true });
await ensureMariaDb(python, { progress });
await ensureChromium({ progress });
