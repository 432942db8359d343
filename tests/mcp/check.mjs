// SPDX-License-Identifier: BSD-2-Clause
//
// What the clients of `redmem mcp` share: a connection made with the protocol's own SDK, and the
// lines that tests/run reads.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

export let failures = 0;
export const called = new Set();

export function check(name, good, why) {
	console.log(good ? `ok mcp-client-${name}` : `not ok mcp-client-${name}: ${why}`);
	failures += !good;
}

export async function connect(redmem, ...options) {
	const client = new Client({ name: "redmem's test", version: "1" });

	await client.connect(new StdioClientTransport({
		command: redmem, args: ["mcp", ...options], stderr: "inherit",
	}));
	return client;
}

// What the tool answers, as an object; undefined where it says that it failed.
export async function call(client, name, args = {}) {
	const result = await client.callTool({ name, arguments: args }, undefined, { timeout: 150000 });
	const text = result.content[0].text;

	called.add(name);
	return result.isError ? undefined : { text, ...JSON.parse(text) };
}
