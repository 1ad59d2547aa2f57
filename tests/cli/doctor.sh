#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: doctor.sh TOOL FILTER [sanitized]: does `userfault doctor' name the layer that refuses?
# The layers are made here: a seccomp filter, missing privileges, an unreadable device. TAP.
# says.sh stands beside this file.
# shellcheck disable=SC1091
tool=$(realpath "$1")
filter=$(realpath "$2")
sysctl=/proc/sys/vm/unprivileged_userfaultfd
device=/dev/userfaultfd

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/says.sh"

# The JSON on standard input, as the expression over d.
json()
{
	python3 -c "import json, sys; d = json.load(sys.stdin); k = d['kernel']; w = k['ways']
e = d['engine']
print($1)"
}

# judge EXPRESSION COMMAND...: of the JSON that it prints.
judge()
{
	expression=$1
	shift
	"$@" >"$dir/json" || return
	json "$expression" <"$dir/json"
}

parsed()
{
	"$tool" doctor --json | python3 -m json.tool
}

# Becomes nobody, without groups and privileges.
nobody()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "$@"
}

# What stands around the tests themselves: the rest is about layers of our own.
"$tool" doctor >"$dir/native" 2>&1
grep -q '^  userfaultfd(2)  *works' "$dir/native" && granted=1 || granted=0

says 'an unknown option is wrong usage' 2 'usage: userfault doctor' "$tool" doctor --no-such-option
says 'so is an argument' 2 'takes no arguments' "$tool" doctor everything
says 'help is none' 0 'usage: userfault doctor' "$tool" doctor --help
says 'the sections are there' 0 'Kernel: .*Engine: .*Limits.*What to do' "$tool" doctor
says 'the engine works' 0 'Engine: works' "$tool" doctor
says 'what the engine cannot do is said' 0 'KVM' "$tool" doctor
if [ "$granted" -eq 1 ]; then
	says 'features are told by name' 0 'features 0x[0-9a-f]* .*THREAD_ID' "$tool" doctor
else
	skip 'features are told by name' 'the kernel refuses'
fi

if command -v python3 >/dev/null; then
	says 'JSON is JSON' 0 '"version"' parsed
	says 'it has every key' 0 '^True' judge "set(d) == {'version', 'kernel', 'engine', 'limits'} \
and set(k) == {'available', 'reason', 'features', 'feature_names', 'missing_features', 'ways'} \
and set(w) == {'syscall', 'syscall_user_mode', 'device'} \
and all(set(x) == {'available', 'error', 'refusal', 'reason', 'remedy'} for x in w.values()) \
and set(e) == {'available', 'reason', 'features', 'feature_names', 'guard_anon', 'guard_shmem', \
'proc_mem', 'proc_maps', 'pagemap', 'memfd', 'free_hugepages'} \
and set(d['limits']) == {'max_map_count', 'maps'}" "$tool" doctor --json
	says 'masks and names agree' 0 '^True' judge "all(x['features'].startswith('0x') \
and bin(int(x['features'], 16)).count('1') >= len(x['feature_names']) for x in (k, e)) \
and not set(k['feature_names']) & set(k['missing_features'])" "$tool" doctor --json
	says 'a way that is refused has a reason, any other none' 0 '^True' \
		judge "all(bool(x['reason']) == bool(x['error']) == bool(x['remedy']) \
== (not x['available']) == (x['refusal'] != 'none') for x in w.values())" "$tool" doctor --json
	says 'no text is cut off' 0 '^True' \
		judge "all(len(x[t]) < 255 for x in w.values() for t in ('reason', 'remedy'))" \
		"$filter" 1 call,ioctl "$tool" doctor --json
else
	skip 'JSON' 'no python3'
fi

# A filter that refuses.
denied()
{
	"$tool" run --deny-kernel --bare -- "$tool" doctor "$@"
}

says 'a filter is named' 0 'userfaultfd(2) refused (seccomp): EPERM: a seccomp filter' denied
says 'and what to do about it' 0 'What to do.*seccomp=PROFILE.json' denied
says 'and that the engine serves' 0 'Kernel: refused.*Engine: works.*userfault run' denied
if [ -r $device ]; then
	says 'a filter on the ioctl, too' 0 '/dev/userfaultfd refused (seccomp): EPERM' denied
else
	skip 'a filter on the ioctl, too' "no $device to be read"
fi
says 'JSON says it as well' 0 '"refusal": "seccomp"' denied --json
if [ -e $sysctl ]; then
	says 'a filter that says ENOSYS is not a kernel without it' 0 \
		'userfaultfd(2) refused (seccomp): ENOSYS' "$filter" 38 call "$tool" doctor
fi
says 'a filter that kills does not kill the doctor' 0 'a seccomp filter kills the process' \
	"$filter" kill call,ioctl "$tool" doctor
if [ "$granted" -eq 1 ]; then
	says 'a filter may be for some flags only' 0 \
		'refused (seccomp): EPERM: .* for these flags.* UF_USER_MODE_ONLY works' \
		"$filter" 1 kernel-mode "$tool" doctor
else
	skip 'a filter may be for some flags only' 'the kernel refuses all'
fi
if [ "$3" = sanitized ]; then
	skip 'where nothing works the status is 1' 'the sanitizer needs signal handlers itself'
else
	says 'where nothing works the status is 1' 1 \
		'Kernel: refused.*Engine: does not work: .*handlers' \
		"$filter" 1 call,ioctl,handlers "$tool" doctor
fi

# Missing privileges.
if [ "$(id -u)" -ne 0 ] || ! nobody "$tool" --version >"$dir/out" 2>&1; then
	skip 'missing privileges' 'not root, or nobody cannot execute the tool where it is'
elif [ "$granted" -eq 0 ] || [ "$(cat $sysctl 2>/dev/null)" != 0 ]; then
	skip 'missing privileges' 'they are not what is missing here'
else
	says 'the sysctl and the capability are named' 0 \
		'refused (sysctl): EPERM: vm.unprivileged_userfaultfd is 0, and CAP_SYS_PTRACE is missing' \
		nobody "$tool" doctor
	says 'and what to do about it' 0 'sysctl -w vm.unprivileged_userfaultfd=1' nobody "$tool" doctor
	says 'UF_USER_MODE_ONLY works' 0 'faults of user code only.* UF_USER_MODE_ONLY works' \
		nobody "$tool" doctor
	says 'two layers that refuse are both named' 0 \
		'seccomp filter.*as well: vm.unprivileged_userfaultfd is 0' \
		nobody "$filter" 1 call "$tool" doctor
	if [ "$(stat -c %a $device 2>/dev/null)" = 600 ]; then
		says 'the mode of the device is named' 0 \
			'refused (device-mode): EACCES: /dev/userfaultfd has mode 0600' \
			nobody "$tool" doctor
	else
		skip 'the mode of the device is named' "$device is not there, or not only root's"
	fi
fi

says_finish
