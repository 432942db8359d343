// SPDX-License-Identifier: BSD-2-Clause
//
// A client made with the protocol's own SDK: it lists the tools of `redmem mcp` and calls each.
// Run by tests/mcp/run, which prepares a server with a big key in it and a history; prints what
// tests/run reads.
//
//	node client.mjs REDMEM SOCKET STATE BIG_KEY
import { call, called, check, connect, failures } from "./check.mjs";

const [redmem, socket, state, bigKey] = process.argv.slice(2);
const server = ["-s", socket, "--state", state];

const client = await connect(redmem, ...server);
const { tools } = await client.listTools();
check("name", client.getServerVersion().name === "redmem", JSON.stringify(client.getServerVersion()));
check("list", tools.length > 0 && tools.every((tool) => tool.annotations.readOnlyHint),
	JSON.stringify(tools.map((tool) => tool.name)));

const servers = await call(client, "servers");
check("servers", servers?.running.some((one) => one.socket === socket), servers?.text);
const diagnosis = await call(client, "diagnosis", { seconds: 2 });
check("diagnosis", diagnosis?.verdict && diagnosis.target.socket === socket, diagnosis?.text.slice(0, 500));
const allocated = await call(client, "who_allocated", { seconds: 2 });
check("who_allocated", Array.isArray(allocated?.commands), allocated?.text.slice(0, 500));
const biggest = await call(client, "biggest_keys", { top: 3 });
check("biggest_keys", biggest?.complete && biggest.top[0].key === bigKey, biggest?.text.slice(0, 500));
const happened = await call(client, "history", { from: "2023-11-14T00:00:00Z" });
check("history", happened?.events.some((one) => one.id === "swap.in_path"), happened?.text.slice(0, 500));
const changed = await call(client, "diff", { before: "2023-11-14T23:00:01Z", after: "2023-11-14T23:00:05Z" });
check("diff", changed?.schema === "redmem.changes/1", changed?.text.slice(0, 500));
const past = await call(client, "diagnosis", { at: "2023-11-14T23:00:00Z", for: "1m" });
check("past", past?.findings.some((one) => one.id === "swap.in_path"), past?.text.slice(0, 500));
const meaning = await call(client, "explain", { id: "keys.big_string" });
check("explain", meaning?.meaning.includes("string"), meaning?.text);

for (const args of [{ id: 7 }, { what: "x" }]) {
	const refused = await client.callTool({ name: "explain", arguments: args }).catch((error) => error.code);
	check(`refused ${JSON.stringify(args)}`, refused === -32602, JSON.stringify(refused));
}
for (const tool of tools)
	check(`called ${tool.name}`, called.has(tool.name), "this test does not call it");
await client.close();

const discreet = await connect(redmem, ...server, "--redact");
const hidden = await call(discreet, "biggest_keys", { top: 3 });
check("redact", hidden?.complete && hidden.text.includes('"top"') && !hidden.text.includes(bigKey),
	hidden?.text.slice(0, 500));
await discreet.close();
process.exit(failures > 0 ? 1 : 0);
