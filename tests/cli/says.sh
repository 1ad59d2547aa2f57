# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# TAP for the scripts beside it, which source it after they have made a folder $dir.
# shellcheck disable=SC2154
number=0
failures=0

# says NAME STATUS PATTERN COMMAND...: its exit status, and a pattern in what it says, of which all
# blanks are one.
says()
{
	number=$((number + 1))
	name=$1
	want=$2
	pattern=$3
	shift 3
	"$@" >"$dir/out" 2>&1
	got=$?
	if [ $got -eq 77 ] && [ "$want" -ne 77 ]; then
		echo "ok $number - $name # SKIP $(head -n 1 "$dir/out")"
	elif [ $got -eq "$want" ] && tr -s ' \n' '  ' <"$dir/out" | grep -q -e "$pattern"; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		echo "# $*: status $got (expected $want), said (expected $pattern):"
		sed 's/^/# /' "$dir/out"
		failures=$((failures + 1))
	fi
}

skip()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

# The plan, and the end.
says_finish()
{
	echo "1..$number"
	[ $failures -eq 0 ]
}
