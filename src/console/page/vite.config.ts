import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import preact from "@preact/preset-vite";
import { defineConfig, type Plugin } from "vite";

const root = import.meta.dirname;
const outDir = path.join(root, "..", "..", "..", "dist", "src", "console", "page");

/** Each file is compressed once, here, and never by a server that has better things to do. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async closeBundle() {
      const assets = path.join(outDir, "assets");
      for (const file of await readdir(assets)) {
        if (!/\.(js|css)$/.test(file)) continue;
        const bytes = await readFile(path.join(assets, file));
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
        await writeFile(path.join(assets, `${file}.br`), await promisify(brotliCompress)(bytes, quality));
        await writeFile(path.join(assets, `${file}.gz`), await promisify(gzip)(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  root,
  // Relative: the page works under any prefix.
  base: "./",
  publicDir: false,
  plugins: [
    preact({ devToolsEnabled: false, prefreshEnabled: false, reactAliasesEnabled: false }),
    compressed(),
  ],
  build: {
    outDir,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: "es2022",
    modulePreload: { polyfill: false },
  },
});
