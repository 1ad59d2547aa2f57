#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: conform.sh TOOL FILTER SPEC [sanitized]: does `userfault conform' tell what the conformance
# tests have found, and which of them can be asked for? Whether they pass is another test's business,
# but here they are few. TAP. says.sh stands beside this file.
# shellcheck disable=SC1091
tool=$(realpath "$1")
filter=$(realpath "$2")
spec=$(realpath "$3")

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/says.sh"

conform()
{
	"$tool" conform "$@"
}

# Where the kernel refuses.
denied()
{
	"$tool" run --deny-kernel --bare -- "$tool" conform "$@"
}

# judge EXPRESSION COMMAND...: of the JSON that is all it prints, its errors included.
judge()
{
	expression=$1
	shift
	"$@" >"$dir/json" 2>&1 || return
	python3 -c "import json, sys; d = json.load(sys.stdin); r = d['results']
def all_of(key): return sorted({x[key] for x in r})
print($expression)" <"$dir/json"
}

# The clauses of an operation, in order, are those of its page, no more and no less.
whole()
{
	sed -n 's/^### \([a-z]*\.[0-9]*\) .*/\1/p' "$spec/$1.md" >"$dir/wanted"
	conform --clause="$1" --backend=engine | sed -n 's/^\([a-z]*\.[0-9]*\) .*/\1/p' >"$dir/got"
	[ -s "$dir/wanted" ] && diff -u "$dir/wanted" "$dir/got" && echo the same
}

full()
{
	conform "$@" >/dev/full
}

if conform --clause=copy.3 --backend=kernel | grep -q 'kernel: 1 pass'; then
	kernel=pass
else
	kernel=skip
fi

says 'an unknown option is wrong usage' 2 'usage: userfault conform' conform --no-such-option
says 'so is an argument' 2 'takes no arguments' conform copy
says 'help is none' 0 'usage: userfault conform' conform --help
says 'the tool knows of it' 0 'conform  *test every rule' "$tool" --help
says 'the clauses of an operation are told' 2 \
	'^userfault conform: --clause=wake.99: there is wake.1 wake.2 .*wake.[0-9]* $' \
	conform --clause=wake.99
says 'so are the operations' 2 '--clause=wak: there is open api .*wake' conform --clause=wak
says 'no clause is none' 2 '--clause=: there is open ' conform --clause=
says 'so are the backends' 2 '--backend=best: there is kernel engine $' conform --backend=best
says 'and the kinds of memory' 2 '--mem=an: there is anon memfd shared' conform --mem=an
says 'a time limit is a number' 2 'UF_TEST_TIMEOUT' env UF_TEST_TIMEOUT=soon "$tool" conform
says 'nothing to test is not a success' 2 'no test' conform --clause=open.2 --backend=engine

says 'a table' 0 "^clause kernel engine copy.3 $kernel pass " conform --clause=copy.3
says 'and its sum' 0 ' 1 clause; kernel: .*; engine: 1 pass, 0 fail, 0 skip $' \
	conform --clause=copy.3
says 'of one backend' 0 '^clause engine copy.3 pass 1 clause; engine: 1 pass, 0 fail, 0 skip $' \
	conform --clause=copy.3 --backend=engine --mem=anon
says 'a clause alone: not the others that its tests prove' 0 \
	'^clause engine fill.4 pass 1 clause' conform --clause=fill.4 --backend=engine --mem=anon
says 'what cannot be on the engine is no skip there' 0 \
	"open.2 $kernel - .*-: nothing to test.*engine: [0-9]* pass, 0 fail, 0 skip" \
	conform --clause=open
says 'an operation is all of its page' 0 '^the same' whole wake

says 'a kernel that refuses is a skip' 0 \
	'^clause kernel engine copy.3 skip pass .*Skipped no kernel userfaultfd here: ' \
	denied --clause=copy.3
says 'its reason is told once' 0 '^1 $' sh -c "\"\$@\" | grep -c 'userfaultfd here'" - \
	"$tool" run --deny-kernel --bare -- "$tool" conform --clause=wake
says 'and concerns all' 0 'here: [A-Z][a-z ]* kernel/anon: all .*kernel: 0 pass, 0 fail' \
	denied --clause=wake
if [ "$4" = sanitized ]; then
	skip 'a failure' 'the sanitizer needs signal handlers itself'
else
	says 'a failure' 1 \
		'engine copy.3 fail Failed copy_exists: .*: sigaction.* engine/.*: copy.3 again: .*/conform --target TARGET --case NAME 1 clause; engine: 0 pass, 1 fail' \
		"$filter" 1 handlers "$tool" conform --clause=copy.3 --backend=engine --mem=anon
fi
says 'what cannot be written is one of ours' 125 'userfault conform: No space left' \
	full --clause=copy.3 --backend=engine

if ! command -v python3 >/dev/null; then
	skip 'JSON' 'no python3'
	says_finish
	exit
fi
says 'JSON is all that is printed, and is of this form' 0 '^True' judge \
	"set(d) == {'results'} and len(r) > 2 and all(set(x) == {'clause', 'backend', 'strategy', \
'mem', 'result', 'reason'} and all(type(v) is str for v in x.values()) for x in r)" \
	conform --clause=copy.3 --json
says 'every target once' 0 '^True' judge \
	"len({(x['backend'], x['strategy'], x['mem']) for x in r}) == len(r) \
and {'anon', 'memfd', 'shared'} <= set(all_of('mem')) and all_of('clause') == ['copy.3'] \
and all_of('backend') == ['engine', 'kernel'] and 'mprotect+alias' in all_of('strategy')" \
	conform --clause=copy.3 --json
says 'the kernel has no strategy, the engine always' 0 '^True' judge \
	"all((x['backend'] == 'kernel') == (x['strategy'] == '') for x in r)" \
	conform --clause=copy.3 --json
says 'of one kind of memory' 0 '^True' judge "all_of('mem') == ['memfd'] and len(r) > 1" \
	conform --clause=copy --mem=memfd --backend=engine --json
says 'what passes has no reason' 0 '^True' judge \
	"all_of('result') == ['pass'] and all_of('reason') == ['']" \
	conform --clause=wake.1 --backend=engine --mem=anon --json
says 'a skip has one' 0 '^True' judge "r and all(x['result'] == 'skip' \
and x['reason'].startswith('no kernel userfaultfd here') for x in r)" \
	denied --clause=copy.3 --backend=kernel --mem=anon --json
says 'what the engine does not have is not told of' 0 '^True' judge \
	"{x['backend'] for x in r if x['clause'] == 'open.2'} == {'kernel'} \
and 'engine' in all_of('backend')" conform --clause=open --json

failing()
{
	"$filter" 1 handlers "$tool" conform --clause=copy.3 --backend=engine --mem=anon --json >"$dir/failing"
	[ $? -eq 1 ] && cat "$dir/failing"
}

if [ "$4" = sanitized ]; then
	skip 'so has a failure' 'the sanitizer needs signal handlers itself'
else
	says 'so has a failure' 0 '^True' judge "r and all(x['result'] == 'fail' \
and x['reason'].startswith('copy_exists: ') for x in r)" failing
fi
says_finish
