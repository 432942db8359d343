// SPDX-License-Identifier: BSD-2-Clause
//
// A trouble of some time ago, out of the history of a `redmem serve`: what it was, and whose key.
// Asked as somebody would who knows the time only: what happened about then, then what it was.
//
//	node planted.mjs REDMEM STATE TIME KEY
import { call, check, connect, failures } from "./check.mjs";

const [redmem, state, time, key] = process.argv.slice(2);
const client = await connect(redmem, "--state", state);
const minute = 60000;
const at = (ms) => new Date(Date.parse(time) + ms).toISOString();

const happened = await call(client, "history", { from: at(-minute), to: at(minute) });
const stall = happened?.events.find((one) => one.kind === "stall" && one.text.includes(key));
check("planted-history", stall, happened?.text.slice(0, 1500));
const diagnosis = await call(client, "diagnosis", { at: stall?.begin ?? time, for: "1m" });
const found = diagnosis?.stalls.find((one) => one.key === key);
check("planted-stall", found?.command === "eval" && found.duration_seconds > 0.5,
	JSON.stringify(diagnosis?.stalls).slice(0, 1500));
const told = diagnosis?.findings.find((one) => JSON.stringify(one).includes(key));
check("planted-finding", told, JSON.stringify(diagnosis?.findings).slice(0, 1500));
console.log(`# ${told?.severity}: ${told?.title}; the stall: ${found?.duration_seconds} s`);
await client.close();
process.exit(failures > 0 ? 1 : 0);
