# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# TAP for the scripts beside it, which source it.
tap_number=0
tap_failed=0

# result NAME COMMAND...: ok if it succeeds, a skip if its status is 77, with its last line as the
# reason; otherwise the beginning of what it says is shown.
result()
{
	tap_number=$((tap_number + 1))
	local name="$1"
	shift
	local output status
	output=$("$@" 2>&1)
	status=$?
	case $status in
	0) echo "ok $tap_number - $name" ;;
	77) echo "ok $tap_number - $name # SKIP $(echo "$output" | tail -n 1)" ;;
	*)
		echo "not ok $tap_number - $name"
		echo "$output" | sed -n '1,40s/^/# /p'
		tap_failed=1
		;;
	esac
}

# skip REASON: as a command of result.
skip()
{
	echo "$1"
	return 77
}

# The plan, and the end.
finish()
{
	echo "1..$tap_number"
	exit $tap_failed
}

# The functions that userfault.h, the argument, declares.
declared()
{
	tr '\n' ' ' <"$1" | tr ';' '\n' | sed -n 's/.*UF_API .*[ *]\(uf_[a-z_]*\)(.*/\1/p' | sort
}

# same WHAT WANTED GOT: two lists, a name a line.
same()
{
	[ -s "$2" ] || {
		echo "$1: nothing is wanted, so nothing is proved"
		return 1
	}
	diff -u "$2" "$3" && return 0
	echo "$1: - is missing, + is too much"
	return 1
}
