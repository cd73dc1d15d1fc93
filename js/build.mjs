// Bundles the widget into the Python package. `--check` compares instead of writing, `--tests` bundles the tests.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const home = join(here, "..", "rlm_kernel", "views", "static");
const common = { absWorkingDir: here, bundle: true, format: "esm", target: "es2022", charset: "utf8", write: false };

async function tests() {
  const out = join(here, ".tests");
  rmSync(out, { recursive: true, force: true });
  const entryPoints = readdirSync(join(here, "test")).filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`);
  await build({ ...common, entryPoints, outdir: out, outExtension: { ".js": ".mjs" }, platform: "node", packages: "external", write: true });
}

/** Name, version and licence text of every package of which the bundle holds code. */
function licences(inputs) {
  const names = new Set();
  for (const input of Object.keys(inputs)) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) names.add(found[1]);
  }
  const parts = [...names].sort().map((name) => {
    const place = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
    const file = readdirSync(place).find((entry) => /^licen[sc]e/i.test(entry));
    if (!file) throw new Error(`${name} has no licence file`);
    return `${name} ${version} (${license})\n${"-".repeat(72)}\n${readFileSync(join(place, file), "utf8").trim()}\n`;
  });
  return `widget.js holds code of these packages, under their own licences.\n\n${parts.join("\n\n")}`;
}

async function bundle() {
  const script = await build({ ...common, entryPoints: ["src/widget.ts"], minify: true, metafile: true, legalComments: "none", platform: "browser" });
  const style = await build({ ...common, entryPoints: ["src/widget.css"], minify: false });
  return {
    "widget.js": script.outputFiles[0].text,
    "widget.css": style.outputFiles[0].text,
    "widget.LICENSES.txt": licences(script.metafile.inputs),
  };
}

if (process.argv.includes("--tests")) {
  await tests();
} else {
  const files = await bundle();
  if (process.argv.includes("--check")) {
    const stale = Object.keys(files).filter((name) => {
      try {
        return readFileSync(join(home, name), "utf8") !== files[name];
      } catch {
        return true;
      }
    });
    if (stale.length) {
      console.error(`not what the source builds: ${stale.join(", ")}; run 'make js' and commit the result`);
      process.exit(1);
    }
    console.log("the committed bundle is what the source builds");
  } else {
    mkdirSync(home, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text);
    console.log(Object.entries(files).map(([name, text]) => `${name} ${(text.length / 1024).toFixed(0)} kB`).join(", "));
  }
}
