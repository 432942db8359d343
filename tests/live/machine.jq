# What a report says of the machine and not of the server: true only when the kernel counted it
# in the same window. $machine is what `machine` of lib.sh prints, all in seconds: waited (of
# the server for a CPU), cpu (of the server), held (its cgroups, by a quota), stolen and busy
# (of all CPUs).

def said($name): [.evidence[] | select(.name == $name).value | numbers][0];

# Of a finding: half of what it says will do, as a stall that was waiting for the most part is
# told with all its length, and the server was idle in some of what the kernel counted around
# the window; what came in many short waits is told as stalls of several causes. Whose the stolen
# time was nobody counts, so that all of it is compared. What the hypervisor takes while a command
# runs looks like its own time: without that it must be no harm (src/diagnose/harm.h).
def is_machines($machine; $window):
	said("waited_seconds") as $said |
	if $said == null then false
	elif .id == "cpu.contended" then $machine.waited >= $said / 2
	elif .id == "cpu.throttled" then ([$machine.held + $machine.stolen, $machine.waited] | min) >= $said / 2
	elif .id == "cpu.steal" and said("steal_seconds") != null then
		$machine.stolen > 0 and $machine.stolen >= 0.9 * said("steal_seconds") - 0.03
	elif .id == "cpu.steal" then $machine.busy > 0 and $machine.cpu * $machine.stolen / $machine.busy >= $said / 2
	elif .id == "stalls.mixed" then $machine.waited + $machine.stolen >= $said / 2
	else $said - $machine.stolen < 0.01 * $window and (said("longest_seconds") // 0) - $machine.stolen < 0.05
	end;

# Of a report: ids of the findings that are.
def machines_findings($machine):
	.window.duration_seconds as $window | [.findings[] | select(is_machines($machine; $window)).id] | unique;

# Of a report: the same without them.
def without_machine($machine):
	.window.duration_seconds as $window | .findings |= map(select(is_machines($machine; $window) | not));
