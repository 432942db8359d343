// SPDX-License-Identifier: BSD-2-Clause
//
// What speedscope's own importer makes of files: a line "FILE PROFILE TOTAL FRAMES" for each
// profile in each. It is the program as npm has it, stopped before it draws anything.
//
//	node speedscope.mjs DIRECTORY FILE...    DIRECTORY: its dist/release
import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

const [release, ...files] = process.argv.slice(2);
const script = fs.readdirSync(release).find((name) => /^speedscope-.*\.js$/.test(name));
let code = fs.readFileSync(path.join(release, script), "utf8");
const importer = code.match(/async function (\w+)\(\w+,\w+\)\{return\(await \w+\)\.importProfilesFromArrayBuffer/);
if (!importer || !code.includes("console.log(`speedscope v"))
	throw new Error("this speedscope has its importer elsewhere");
code = code.replace("console.log(`speedscope v", `globalThis.importer=${importer[1]};return;$&`);

// What it asks of a browser before it draws: anything, and nothing comes of it.
const nothing = new Proxy(function () {}, {
	get: (_, name) => (name === Symbol.toPrimitive ? () => "" : nothing),
	apply: () => nothing,
	construct: () => nothing,
	set: () => true,
});
const sandbox = {
	console: { ...console, warn() {} }, TextDecoder, TextEncoder, URL, setTimeout, clearTimeout, Uint8Array, ArrayBuffer,
	atob, btoa, DecompressionStream, Response, Blob, performance,
	document: nothing, navigator: nothing, localStorage: nothing, location: { hash: "", protocol: "file:" },
	Image: nothing, Element: class {}, HTMLCanvasElement: class {}, HTMLInputElement: class {},
	addEventListener() {}, matchMedia: () => nothing, requestAnimationFrame() {},
};
sandbox.window = sandbox.self = sandbox.globalThis = sandbox;
vm.runInNewContext(code, sandbox, { filename: script });
for (const file of files) {
	const data = fs.readFileSync(file);
	const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
	const group = await sandbox.importer(path.basename(file), bytes);
	if (!group)
		throw new Error(`${file}: speedscope does not know what it is`);
	for (const profile of group.profiles) {
		let frames = 0;
		profile.forEachFrame(() => frames++);
		console.log(path.basename(file), profile.getName(), profile.getTotalNonIdleWeight(), frames);
	}
}
